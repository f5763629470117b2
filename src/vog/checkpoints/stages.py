"""Cutting the ordered checkpoints into named stages of training."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vog.errors import StageError

_STAGE_NAMES = {2: ("early", "late"), 3: ("early", "middle", "late")}
_ALL = "all"


@dataclass(frozen=True)
class Stage:
    """The checkpoints `start` to `stop - 1` of the ordered ones, under a name."""

    name: str
    start: int
    stop: int

    def __contains__(self, checkpoint: int) -> bool:
        return self.start <= checkpoint < self.stop


StagesSpec = str | int | Mapping[str, tuple[int | None, int | None]] | None


def cut_stages(spec: StagesSpec, checkpoints: int, min_checkpoints: int) -> tuple[Stage, ...]:
    """The stages asked for, and last `all`, which is every checkpoint.

    Args:
        spec: a number of equal stages; names with slices, as `warmup=0:3,late=-3:` or a
            mapping of names to (start, stop); or None for early, middle and late where
            there are at least six checkpoints and `all` alone where there are fewer.
        checkpoints: how many there are.
        least: what the scores need; a stage with fewer is refused.

    Raises:
        StageError: not of that form, a name twice (in whatever capitals), or too few checkpoints
            in a stage.
    """
    if spec is None:
        spec = 3 if checkpoints >= max(6, 3 * min_checkpoints) else 1
    if isinstance(spec, str) and spec.strip().lstrip("-").isdecimal():
        spec = int(spec)
    if isinstance(spec, int):
        stages = _equal_stages(spec, checkpoints)
    else:
        slices = _parse_slices(spec) if isinstance(spec, str) else dict(spec)
        _refuse_names_alike(slices)
        stages = [_stage_of_slice(name, bounds, checkpoints) for name, bounds in slices.items()]
    stages.append(Stage(_ALL, 0, checkpoints))
    for stage in stages:
        if stage.stop - stage.start < min_checkpoints:
            raise StageError(
                f"stage {stage.name!r} has {max(0, stage.stop - stage.start)} of {checkpoints} "
                f"checkpoints; the scores asked for need at least {min_checkpoints}. Save the model more "
                f"often, ask for fewer or longer --stages, or drop scores that need a spread."
            )
    return tuple(stages)


def pick_checkpoints(
    stages: tuple[Stage, ...], per_stage: int | None, min_checkpoints: int
) -> tuple[list[int], tuple[Stage, ...]]:
    """Some of the checkpoints, evenly over each stage, and the stages cut from these alone.

    Args:
        stages: as `cut` gives them.
        each: how many of every stage, its first and last among them; None for all. `all` has
            those of the others, and where it is the only stage so many itself.
        least: what the scores need.

    Raises:
        StageError: fewer than the scores need.
    """
    if per_stage is None:
        return list(range(stages[-1].stop)), stages
    if per_stage < min_checkpoints:
        raise StageError(
            f"--checkpoints-per-stage {per_stage}: the scores asked for need at least {min_checkpoints} in every "
            f"stage."
        )
    positions = sorted(
        {
            int(position)
            for stage in stages[:-1] or stages
            for position in np.linspace(stage.start, stage.stop - 1, per_stage).round()
        }
    )
    return positions, restrict_stages(stages, positions)


def restrict_stages(stages: Sequence[Stage], positions: Sequence[int]) -> tuple[Stage, ...]:
    """The stages cut from the chosen checkpoints, which are in order, alone."""
    return tuple(
        Stage(
            stage.name,
            sum(position < stage.start for position in positions),
            sum(position < stage.stop for position in positions),
        )
        for stage in stages
    )


def segments(stages: tuple[Stage, ...]) -> list[range]:
    """The longest runs of checkpoints that no stage boundary cuts, in training order.

    Each stage is some of them in a row, so each is folded once, however stages overlap.
    """
    edges = sorted({edge for stage in stages for edge in (stage.start, stage.stop)})
    return [range(start, stop) for start, stop in itertools.pairwise(edges)]


def _equal_stages(count: int, checkpoints: int) -> list[Stage]:
    if count < 1:
        raise StageError(f"--stages {count}: expected at least 1.")
    if count == 1:
        return []
    edges = np.linspace(0, checkpoints, count + 1).round().astype(int).tolist()
    names = _STAGE_NAMES.get(count) or tuple(f"stage{i + 1}" for i in range(count))
    return [Stage(name, a, b) for name, a, b in zip(names, edges[:-1], edges[1:], strict=True)]


def _parse_slices(spec: str) -> dict[str, tuple[int | None, int | None]]:
    slices: dict[str, tuple[int | None, int | None]] = {}
    for word in spec.split(","):
        match = re.fullmatch(r"\s*(\w+)\s*=\s*(-?\d+)?\s*:\s*(-?\d+)?\s*", word)
        if match is None:
            raise StageError(
                f"--stages: {word!r} is neither a number of stages nor NAME=START:STOP. "
                f"Example: --stages early=0:3,late=-3:"
            )
        name, start, stop = match.groups()
        if name in slices:
            raise StageError(f"--stages: the name {name!r} is given twice.")
        slices[name] = (int(start) if start else None, int(stop) if stop else None)
    return slices


def _refuse_names_alike(names: Iterable[str]) -> None:
    """Nothing where the names differ by more than capitals, which DuckDB does not tell apart."""
    names_by_lowercase = {_ALL: _ALL}
    for name in names:
        first_name = names_by_lowercase.setdefault(name.casefold(), name)
        if first_name != name:
            raise StageError(
                f"--stages: {name!r} and {first_name!r} differ in capitals only, and columns of that "
                f"name could not be told apart. Call one of them otherwise."
            )


def _stage_of_slice(name: str, bounds: tuple[int | None, int | None], checkpoints: int) -> Stage:
    if name == _ALL or not re.fullmatch(r"\w+", name):
        raise StageError(
            f"--stages: {name!r} cannot be the name of a stage. Use letters and digits; "
            f"'all' is always there and is every checkpoint."
        )
    start, stop, _ = slice(*bounds).indices(checkpoints)
    return Stage(name, start, stop)
