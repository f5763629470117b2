"""What a folder holds: checkpoints, folders of them, or a checkpoint of another tool."""

import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from vog.checkpoints.formats import foreign_folder
from vog.checkpoints.steps import announced_by_folder
from vog.errors import CheckpointError, first_few

SUFFIXES = (".pt", ".pth", ".ckpt", ".safetensors", ".bin")
# What a Hugging Face `checkpoint-N/` folder keeps its weights in, in order of preference.
IN_FOLDER = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_OTHERS = (".txt", ".json", ".yaml", ".yml", ".log", ".csv", ".tsv", ".png", ".md", ".py", ".lock")
_BESIDE = re.compile(
    r"training_args|adapter_model|optim(izer)?(?![a-z])|opt(?=[\d._-])|scheduler|rng_state|scaler",
    re.IGNORECASE,
)
_DEEPEST = 4
_MOST_FOLDERS = 2000


@dataclass(frozen=True)
class Inside:
    """The checkpoints that are in a folder, or together in one below it."""

    folder: Path
    paths: list[Path]


def is_checkpoint(path: Path) -> bool:
    """Return whether a file is named as one: `.pt`, `.pth.tar`, `model.ckpt-30024`, ..."""
    name = path.name.lower()
    named = name.removesuffix(".tar").endswith(SUFFIXES) or re.search(r"\.ckpt-\d+$", name)
    return bool(named) and not is_hidden(path) and not is_beside(path)


def is_hidden(path: Path) -> bool:
    """Return whether a name begins with a dot, as what macOS and editors leave beside files."""
    return path.name.startswith(".")


def is_beside(path: Path) -> bool:
    """Return whether a file is what a training loop saves beside or in place of the weights."""
    return _BESIDE.match(path.name) is not None


def is_clearly_other(path: Path) -> bool:
    """Return whether a file is named as a text, a table or a picture."""
    return path.suffix.lower() in _OTHERS and not path.name.endswith(".index.json")


def refuse_foreign_name(path: Path) -> None:
    """Raise unless the name is that of something that may be read.

    Raises:
        CheckpointError: it is a part of a TensorFlow checkpoint, or a folder of another tool.
    """
    if re.search(r"\.data-\d{5}-of-\d{5}$", path.name):
        raise CheckpointError(
            f"checkpoint {path} is a part of a TensorFlow checkpoint (.index, "
            f".data-00000-of-00001), which is not read. Give --read file.py:function, which maps "
            f"a path to the weights by name."
        )
    if path.is_dir():
        _refuse_foreign(path)


def single_in(folder: Path) -> Path | None:
    """Return the one file of weights in a folder, if there is one."""
    known = _weights_of_folder(folder)
    if known is not None:
        return known
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and is_checkpoint(path)]
    return files[0] if len(files) == 1 else None


def checkpoints_in(folder: Path, word: str) -> Inside:
    """Return the checkpoints in a folder, or in the one folder below it that has some.

    Raises:
        CheckpointError: none there, or in several folders; or it is of another tool.
    """
    found = _directly_in(folder)  # the first look, so that a folder that may not be read is named
    own = _weights_of_folder(folder)
    if own is not None and not any(path.parent != folder for path in found):
        return Inside(folder, [own])
    if found:
        return Inside(folder, found)
    _refuse_foreign(folder)
    below = _without_links(_below(folder))
    if len(below) == 1:
        return below[0]
    together = _of_steps(below)
    if together is not None:
        return together
    if below:
        shown = [f"{one.folder} ({len(one.paths)})" for one in below]
        raise CheckpointError(
            f"--checkpoints: the folder {word} holds checkpoints in {len(below)} folders below "
            f"it: {first_few(shown)}. Give the one that is meant."
        )
    raise CheckpointError(
        f"--checkpoints: the folder {word} holds no checkpoint "
        f"({', '.join(SUFFIXES)}, or checkpoint-N folders)."
    )


def _directly_in(folder: Path) -> list[Path]:
    """Return the weights of the folders in a folder, as a Trainer saves them, or else its files."""
    entries = sorted(folder.iterdir())
    shown = [path for path in entries if not is_hidden(path)]
    folders = [weights for path in shown if (weights := _weights_of_folder(path)) is not None]
    return folders or [path for path in entries if is_checkpoint(path) and path.is_file()]


def _below(folder: Path) -> list[Inside]:
    """Return the nearest folders below that have checkpoints."""
    found: list[Inside] = []
    waiting = deque([(folder, 0)])
    for _ in range(_MOST_FOLDERS):
        if not waiting:
            break
        current, depth = waiting.popleft()
        inside = _directly_in(current) if depth else []
        if inside:
            found.append(Inside(current, inside))
        elif depth < _DEEPEST:
            folders = [path for path in sorted(current.iterdir()) if path.is_dir()]
            folders = [path for path in folders if not is_hidden(path)]
            for path in folders:
                _refuse_foreign(path)
            waiting += [(path, depth + 1) for path in folders]
    return found


def _without_links(found: list[Inside]) -> list[Inside]:
    """Return the folders without those that are links to others of them (`latest -> run`)."""
    kept: dict[Path, Inside] = {}
    for one in sorted(found, key=lambda one: one.folder.resolve() != one.folder.absolute()):
        kept.setdefault(one.folder.resolve(), one)
    return [one for one in found if kept[one.folder.resolve()] is one]


def _of_steps(below: list[Inside]) -> Inside | None:
    """Return the files of folders that are named by steps and have one file each, as one whole."""
    steps = [announced_by_folder(one.folder.name) for one in below]
    alone = all(len(one.paths) == 1 for one in below)
    parents = {one.folder.parent for one in below}
    if not alone or None in steps or len(parents) != 1:
        return None
    return Inside(parents.pop(), [path for one in below for path in one.paths])


def _refuse_foreign(folder: Path) -> None:
    said = foreign_folder(folder)
    if said is not None:
        raise CheckpointError(f"checkpoint {folder} {said}")


def _weights_of_folder(path: Path) -> Path | None:
    return next((path / name for name in IN_FOLDER if (path / name).is_file()), None)
