"""Reading from the name of a file at which step of training it was saved.

Training order is the order of steps as numbers: `step-200` comes before `step-1000`, and
`epoch_2` before `epoch_10`, which sorting names as text gets wrong.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from vog.errors import CheckpointError, first_few

# The words that announce a step, the finest unit first: Lightning's `epoch=3-step=400` is 400.
_WORDS = (
    r"(?:global_?)?steps?|update",
    r"iter(?:ation)?s?|it|batch",
    r"epochs?|ep",
    r"ckpt|checkpoint|chkpt|weights?|snapshot|model|net|e",
)
_ENDINGS = re.compile(r"(\.(safetensors|ckpt|pth|pt|bin|tar))+$", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")


def read_steps(paths: Sequence[Path], asked: str) -> list[int]:
    """The step of each path.

    A word such as `step`, `epoch` or `ckpt` before a number decides; without one, the only
    number in the name, or the only one that differs between the names. A file without any
    number takes that of its folder (`checkpoint-500/model.safetensors`).

    Raises:
        CheckpointError: a step cannot be told, or two files have the same.
    """
    found = [_announced(path) for path in paths]
    if None in found:
        plain = _only_varying_number(paths)
        found = [
            step if step is not None else other for step, other in zip(found, plain, strict=True)
        ]
    unclear = [path.name for path, step in zip(paths, found, strict=True) if step is None]
    if unclear:
        raise CheckpointError(
            f"{asked} matches {len(paths)} files, but {len(unclear)} have no step in their name: "
            f"{first_few(unclear)}\n"
            f"Training order cannot be told. Narrow the glob, or list the files in order: "
            f"--checkpoints @order.txt"
        )
    steps = [step for step in found if step is not None]
    _refuse_same_step(paths, steps)
    return steps


def _announced(path: Path) -> int | None:
    """The number after a word that announces a step, in the name or else in the folder's."""
    own = _ENDINGS.sub("", path.name)
    for text in (own,) if _NUMBER.search(own) and not _is_shard(own) else (own, path.parent.name):
        for word in _WORDS:
            hits = re.findall(rf"(?<![a-z])(?:{word})[-_=. ]*(\d+)", text, re.IGNORECASE)
            if hits:
                return int(hits[-1])
    return None


def _is_shard(name: str) -> bool:
    return re.search(r"-\d+-of-\d+$", name) is not None


def _only_varying_number(paths: Sequence[Path]) -> list[int | None]:
    """For each name its one number, or where it has several the one that tells the names apart."""
    numbers = [_NUMBER.findall(_ENDINGS.sub("", path.name)) for path in paths]
    counts = {len(found) for found in numbers}
    if len(counts) == 1 and counts != {0}:
        columns = list(zip(*numbers, strict=True))
        varying = [column for column in columns if len(set(column)) > 1]
        chosen = columns if len(columns) == 1 else varying
        if len(chosen) == 1:
            return [int(number) for number in chosen[0]]
    return [int(found[0]) if len(found) == 1 else None for found in numbers]


def _refuse_same_step(paths: Sequence[Path], steps: Sequence[int]) -> None:
    seen: dict[int, Path] = {}
    for path, step in zip(paths, steps, strict=True):
        if step in seen:
            raise CheckpointError(
                f"{seen[step]} and {path} are both of step {step}. "
                f"Training order cannot be told. Narrow the glob, or list the files in order: "
                f"--checkpoints @order.txt"
            )
        seen[step] = path
