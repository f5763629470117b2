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
    r"(?<!\d)(?:ckpt|checkpoint|chkpt|weights?|snapshot|model|net|e)",
)
_ENDINGS = re.compile(r"(\.(safetensors|ckpt|pth|pt|bin|tar))+$", re.IGNORECASE)
# A whole number: not the 1 of 1e3, 1k, 1.5, 1,000 or 1f3a; `epoch2step900` has two.
_WHOLE = r"(\d+)(?![.,]?\d)(?=[^a-z0-9]|$|(?:global_?)?step|iter|epoch|batch|acc|loss|val)"
_PLAIN = re.compile(rf"(?<![a-z0-9])(?<!\d[.,]){_WHOLE}", re.IGNORECASE)

# In the name of a folder: `model_0` and `net1` are more often models than steps.
_FOLDER_WORDS = (
    r"(?:global_?)?steps?|update",
    r"iter(?:ation)?s?|it",
    r"epochs?|ep",
    r"ckpt|checkpoint|chkpt|snapshot",
)
_DEEPEST = 4

Column = list[int | None]


def read_steps(paths: Sequence[Path], asked: str) -> list[int]:
    """The step of each path.

    A word such as `step`, `epoch` or `ckpt` before a number decides; without one, the only
    number in the name, or the only one that differs between the names. A file without any
    number takes that of its folder (`checkpoint-500/model.safetensors`), as do files whose numbers
    are all the same (`epoch_2/resnet18.pth`). One file alone without a number is step 0.

    Raises:
        CheckpointError: a step cannot be told.
    """
    announced = [[_announced(path, word) for path in paths] for word in _WORDS]
    plain, folders = _plain_columns(paths), _folder_columns(paths)
    varying = [
        column
        for column in [*announced, *plain, *folders]
        if None not in column and len(set(column)) > 1
    ]
    candidates = [*announced, *folders, *plain]
    complete = [column for column in candidates if None not in column]
    if not complete and len(paths) == 1:
        return [0]  # one file has an order without a number
    if not complete:
        best = max(candidates, key=lambda column: len(paths) - column.count(None))
        unclear = [path.name for path, step in zip(paths, best, strict=True) if step is None]
        raise CheckpointError(
            f"{asked} matches {len(paths)} files, but {len(unclear)} have no step in their name: "
            f"{first_few(unclear)}\n{_WHAT_TO_DO}"
        )
    chosen = [step for step in (varying or complete)[0] if step is not None]
    telling = [*announced, *folders]
    _refuse_contradiction(chosen, [column for column in varying if column in telling], asked)
    return chosen


_WHAT_TO_DO = (
    "Training order cannot be told. Narrow the glob, or list the files in order: "
    "--checkpoints @order.txt"
)


def _announced(path: Path, word: str) -> int | None:
    """The number after a word that announces a step, in the name or else in the folder's."""
    own = _ENDINGS.sub("", path.name)
    text = own if re.search(r"\d", own) and not _is_shard(own) else path.parent.name
    hits = _hits(word, text)
    return int(hits[-1]) if hits else None


def announced_by_folder(name: str) -> int | None:
    """Return the step that the name of a folder tells: of `epoch_3-b`, 3."""
    found = (_hits(word, name) for word in _FOLDER_WORDS)
    return next((int(hits[-1]) for hits in found if hits), None)


def _folder_columns(paths: Sequence[Path]) -> list[Column]:
    """Return the steps that the folders tell, the nearest folders first."""
    columns = []
    for level in range(_DEEPEST):
        folders = [path.parents[level].name if level < len(path.parents) else "" for path in paths]
        columns += [
            [int(hits[-1]) if (hits := _hits(word, folder)) else None for folder in folders]
            for word in _FOLDER_WORDS
        ]
    return columns


def without_ending(name: str) -> str:
    """Return a name without `.pt`, `.pth.tar` and their like."""
    return _ENDINGS.sub("", name)


def _hits(word: str, text: str) -> list[str]:
    return re.findall(rf"(?<![a-z])(?:{word})[-_=. ]*{_WHOLE}", text, re.IGNORECASE)


def _is_shard(name: str) -> bool:
    return re.search(r"-\d+-of-\d+$", name) is not None


def _plain_columns(paths: Sequence[Path]) -> list[Column]:
    """The numbers without a word, if the names have equally many and one tells them apart."""
    numbers = [[int(n) for n in _PLAIN.findall(_ENDINGS.sub("", path.name))] for path in paths]
    if len({len(found) for found in numbers}) != 1:
        return [[found[0] if len(found) == 1 else None for found in numbers]]
    columns: list[Column] = [list(column) for column in zip(*numbers, strict=True)]
    varying = [column for column in columns if len(set(column)) > 1]
    only = columns if len(columns) == 1 else varying
    return only if len(only) == 1 else []


def _refuse_contradiction(chosen: Sequence[int], columns: Sequence[Column], asked: str) -> None:
    """`epoch0_batch900` and `epoch1_batch100`: one of the two numbers starts again."""
    order = sorted(range(len(chosen)), key=lambda i: chosen[i])
    for column in columns:
        ordered = [column[i] or 0 for i in order]
        if ordered != sorted(ordered):
            raise CheckpointError(
                f"{asked}: two numbers in the names give different orders "
                f"({first_few(sorted(chosen))} and {first_few(ordered)}). {_WHAT_TO_DO}"
            )


def refuse_same_step(paths: Sequence[Path], steps: Sequence[int]) -> None:
    """Raise unless all steps differ.

    Raises:
        CheckpointError: two files have the same step.
    """
    seen: dict[int, Path] = {}
    for path, step in zip(paths, steps, strict=True):
        if step in seen:
            raise CheckpointError(f"{seen[step]} and {path} are both of step {step}. {_WHAT_TO_DO}")
        seen[step] = path
