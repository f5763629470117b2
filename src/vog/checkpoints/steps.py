"""Training steps from the names of checkpoint files.

Training order is the numerical order of steps: `step-200` comes before `step-1000`, and `epoch_2`
before `epoch_10`. Sorting the names as text would give a different order.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from vog.checkpoints.tensorflow_paths import named_path
from vog.errors import CheckpointError, first_few
from vog.wording import option

# Words before the number of a step, the finest unit first: Lightning's `epoch=3-step=400` is 400.
_STEP_WORDS = (
    r"(?:global_?)?steps?|update",
    r"iter(?:ation)?s?|it|batch",
    r"epochs?|ep",
    r"(?<!\d)(?:ckpt|checkpoint|chkpt|weights?|snapshot|model|net|e)",
)
_ENDINGS = re.compile(
    r"(\.(safetensors|ckpt|pth|pt|bin|tar|weights|h5|hdf5|keras|eqx|msgpack|npz|index))+$",
    re.IGNORECASE,
)
# A whole number: not the 1 of 1e3, 1k, 1.5, 1,000 or 1f3a; `epoch2step900` has two.
_WHOLE_NUMBER = r"(\d+)(?![.,]?\d)(?=[^a-z0-9]|$|(?:global_?)?step|iter|epoch|batch|acc|loss|val)"
_PLAIN_NUMBER = re.compile(rf"(?<![a-z0-9])(?<!\d[.,]){_WHOLE_NUMBER}", re.IGNORECASE)

# In the name of a folder: `model_0` and `net1` are more often models than steps.
_FOLDER_WORDS = (
    r"(?:global_?)?steps?|update",
    r"iter(?:ation)?s?|it",
    r"epochs?|ep",
    r"ckpt|checkpoint|chkpt|snapshot",
)
_DEEPEST = 4
_SECOND_RUN = re.compile(r"-v\d+$")

Column = list[int | None]


def read_steps(paths: Sequence[Path], specs_text: str) -> list[int]:
    """Return the step of each path.

    The step is the number after a word such as `step`, `epoch` or `ckpt`; without such a word, the
    only number in the name, or the only one that differs between the names. The folder gives the
    step if a name has no number (`checkpoint-500/model.safetensors`), or if the numbers in all
    names are equal (`epoch_2/resnet18.pth`). A single file without a number is step 0.

    Raises:
        CheckpointError: a step is missing, or two numbers give different orders.
    """
    paths = [named_path(path) for path in paths]
    announced = [[_announced_step(path, word) for path in paths] for word in _STEP_WORDS]
    plain, folders = _plain_columns(paths), _folder_columns(paths)
    varying = [
        column
        for column in [*announced, *plain, *folders]
        if None not in column and len(set(column)) > 1
    ]
    candidates = [*announced, *folders, *plain]
    complete = [column for column in candidates if None not in column]
    if not complete and len(paths) == 1:
        return [0]  # a single file needs no number to be in order
    if not complete:
        fullest = max(candidates, key=lambda column: len(paths) - column.count(None))
        unclear = [path.name for path, step in zip(paths, fullest, strict=True) if step is None]
        raise CheckpointError(
            f"{specs_text} matches {len(paths)} files, but {len(unclear)} have no step in their "
            f"name: {first_few(unclear)}\n{_advice()}"
        )
    steps = [step for step in (varying or complete)[0] if step is not None]
    worded = [*announced, *folders]
    _refuse_contradiction(steps, [column for column in varying if column in worded], specs_text)
    return steps


def _advice() -> str:
    return (
        f"The training order is unclear. Narrow the glob, or list the files in order: "
        f"{option('checkpoints', '@order.txt')}"
    )


def _announced_step(path: Path, word: str) -> int | None:
    """Return the number after a word for steps, in the file's name or else in its folder's."""
    stem = _ENDINGS.sub("", path.name)
    text = stem if re.search(r"\d", stem) and not _is_shard(stem) else path.parent.name
    hits = _find_steps(word, text)
    return int(hits[-1]) if hits else None


def step_of_folder(name: str) -> int | None:
    """Return the step in the name of a folder, such as 3 for `epoch_3-b`, or None."""
    numbers_by_word = (_find_steps(word, name) for word in _FOLDER_WORDS)
    return next((int(hits[-1]) for hits in numbers_by_word if hits), None)


def _folder_columns(paths: Sequence[Path]) -> list[Column]:
    """Return the steps in the names of the folders, a column per level and word, nearest first."""
    columns = []
    for level in range(_DEEPEST):
        folders = [path.parents[level].name if level < len(path.parents) else "" for path in paths]
        columns += [
            [int(hits[-1]) if (hits := _find_steps(word, folder)) else None for folder in folders]
            for word in _FOLDER_WORDS
        ]
    return columns


def without_ending(name: str) -> str:
    """Return a name without its endings, such as `.pt` or `.pth.tar`."""
    return _ENDINGS.sub("", name)


def _find_steps(word: str, text: str) -> list[str]:
    return re.findall(rf"(?<![a-z])(?:{word})[-_=. ]*{_WHOLE_NUMBER}", text, re.IGNORECASE)


def _is_shard(name: str) -> bool:
    return re.search(r"-\d+-of-\d+$", name) is not None


def _plain_columns(paths: Sequence[Path]) -> list[Column]:
    """Return the numbers without a word, if all names have the same count and only one varies."""
    numbers = [[int(n) for n in _PLAIN_NUMBER.findall(without_ending(path.name))] for path in paths]
    if len({len(file_numbers) for file_numbers in numbers}) != 1:
        return [[file_numbers[0] if len(file_numbers) == 1 else None for file_numbers in numbers]]
    columns: list[Column] = [list(column) for column in zip(*numbers, strict=True)]
    varying = [column for column in columns if len(set(column)) > 1]
    candidates = columns if len(columns) == 1 else varying
    return candidates if len(candidates) == 1 else []


def _refuse_contradiction(steps: Sequence[int], columns: Sequence[Column], specs_text: str) -> None:
    """Raise if a number starts again, as in `epoch0_batch900` and `epoch1_batch100`."""
    order = sorted(range(len(steps)), key=lambda row: steps[row])
    for column in columns:
        ordered = [column[row] or 0 for row in order]
        if ordered != sorted(ordered):
            raise CheckpointError(
                f"{specs_text}: two numbers in the names give different orders "
                f"({first_few(sorted(steps))} and {first_few(ordered)}). {_advice()}"
            )


def refuse_same_step(paths: Sequence[Path], steps: Sequence[int]) -> None:
    """Raise unless all steps differ.

    Raises:
        CheckpointError: two files have the same step.
    """
    by_step: dict[int, Path] = {}
    for path, step in zip(paths, steps, strict=True):
        if step in by_step:
            raise CheckpointError(
                f"{by_step[step]} and {path} both have step {step}. "
                f"{_second_run_advice(by_step[step], path) or _advice()}"
            )
        by_step[step] = path


def _second_run_advice(first: Path, second: Path) -> str | None:
    """Return what to do if one of two files is of a second run in the same folder, else None."""
    stems = [without_ending(path.name) for path in (first, second)]
    versions = [match for stem in stems if (match := _SECOND_RUN.search(stem))]
    if first.parent != second.parent or len({_SECOND_RUN.sub("", stem) for stem in stems}) > 1:
        return None
    mark = versions[-1].group()
    return (
        f"Lightning marks the files of a further run in the same folder by {mark}. Take one run: "
        f"{option('checkpoints', f'{first.parent}/*{mark}.ckpt')}, or move these files elsewhere."
    )
