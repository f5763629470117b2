"""From globs, folders and lists to checkpoint files in training order."""

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vog.checkpoints.steps import read_steps
from vog.errors import CheckpointError, first_few

SUFFIXES = (".pt", ".pth", ".ckpt", ".safetensors", ".bin")
# What a Hugging Face `checkpoint-N/` folder keeps its weights in, in order of preference.
_IN_FOLDER = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


@dataclass(frozen=True)
class CheckpointFile:
    """Where the weights of one step of training are."""

    path: Path
    step: int


def find(specs: Sequence[str | Path]) -> list[CheckpointFile]:
    """The checkpoint files that the specs name, by rising step.

    Args:
        specs: globs, folders, files, or one `@list.txt` with a path a line, whose order is
            then the order of training. Paths in a list are relative to the list.

    Raises:
        CheckpointError: nothing there, or a step that cannot be told.
    """
    words = [str(spec) for spec in specs]
    asked = first_few([repr(word) for word in words])
    if any(word.startswith("@") for word in words):
        return _listed(words)
    paths = [path for word in words for path in _named(word)]
    unique = list(dict.fromkeys(paths))
    if not unique:
        raise CheckpointError(f"--checkpoints: {asked} names no file.")
    steps = read_steps(unique, asked)
    return sorted(map(CheckpointFile, unique, steps), key=lambda file: file.step)


def _listed(words: Sequence[str]) -> list[CheckpointFile]:
    if len(words) > 1:
        raise CheckpointError(
            f"--checkpoints: {first_few(words)}: a list gives the whole order of training, so it "
            f"cannot be joined with others. Put all files into one list."
        )
    source = Path(words[0][1:])
    if not source.is_file():
        raise CheckpointError(f"--checkpoints: there is no list {source}.")
    try:
        lines = [line.strip() for line in source.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        raise CheckpointError(f"--checkpoints: {source} is no text file.") from error
    paths = [_existing(source.parent / line) for line in lines if line and line[0] != "#"]
    if not paths:
        raise CheckpointError(f"--checkpoints: the list {source} names no file.")
    try:
        steps = read_steps(paths, words[0])
    except CheckpointError:
        steps = []
    # The list decides the order; steps that are not in the names, or contradict it, are not steps.
    if steps != sorted(steps) or not steps:
        steps = list(range(len(paths)))
    return list(map(CheckpointFile, paths, steps))


def _named(word: str) -> list[Path]:
    """The files of one glob, folder or file."""
    path = Path(word).expanduser()
    holds_folders = path.is_dir() and any(
        p.is_dir() and _weights_of_folder(p) is not None for p in path.iterdir()
    )
    if path.is_dir() and (holds_folders or _weights_of_folder(path) is None):
        inside = sorted(path.iterdir())
        found = [w for p in inside if p.is_dir() and (w := _weights_of_folder(p)) is not None]
        found = found or [p for p in inside if p.is_file() and _is_checkpoint(p)]
        if not found:
            raise CheckpointError(
                f"--checkpoints: the folder {word} holds no checkpoint "
                f"({', '.join(SUFFIXES)}, or checkpoint-N folders)."
            )
        return found
    if path.suffix == ".txt" and path.is_file():
        raise CheckpointError(f"--checkpoints: {word} is a text file. For a list: @{word}")
    if path.exists():
        return [_existing(path)]
    matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 (absolute patterns)
    found = [w if (w := _weights_of_folder(match)) else match for match in matches]
    files = [match for match in found if match.is_file()]
    if not files:
        kind = "the glob" if re.search(r"[*?\[]", word) else "there is no file"
        end = " matches no file." if kind == "the glob" else "."
        raise CheckpointError(f"--checkpoints: {kind} {word!r}{end}")
    return files


def _is_checkpoint(path: Path) -> bool:
    """By its ending, or as `model.ckpt-30024`; not what a Trainer saves beside the weights."""
    beside = re.match(r"(training_args|optimizer|scheduler|rng_state|scaler)", path.name)
    named = path.suffix.lower() in SUFFIXES or re.search(r"\.ckpt-\d+$", path.name)
    return bool(named) and not beside


def _existing(path: Path) -> Path:
    if path.is_dir():
        inside = _weights_of_folder(path)
        if inside is None:
            raise CheckpointError(f"checkpoint {path}: the folder holds none of {_IN_FOLDER}.")
        return inside
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path}: there is no such file.")
    return path


def _weights_of_folder(path: Path) -> Path | None:
    return next((path / name for name in _IN_FOLDER if (path / name).is_file()), None)
