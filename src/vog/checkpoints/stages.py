"""Named stages of training, cut from checkpoints in training order."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vog.errors import StageError
from vog.wording import option

_STAGE_NAMES = {2: ("early", "late"), 3: ("early", "middle", "late")}
_ALL = "all"


@dataclass(frozen=True)
class Stage:
    """A name for the checkpoints `start` to `stop - 1`, counted in training order."""

    name: str
    start: int
    stop: int

    def __contains__(self, checkpoint: int) -> bool:
        return self.start <= checkpoint < self.stop


StagesSpec = str | int | Mapping[str, tuple[int | None, int | None]] | None


def cut_stages(spec: StagesSpec, checkpoints: int, min_checkpoints: int) -> tuple[Stage, ...]:
    """Return the stages that a user specified, and last the stage `all` of every checkpoint.

    Args:
        spec: a number of equal stages; names with slices, such as `warmup=0:3,late=-3:`, or a
            mapping of names to (start, stop); or None for early, middle and late if there are
            at least six checkpoints, and for `all` alone if there are fewer.
        checkpoints: the number of checkpoints.
        min_checkpoints: the least that the scores need in a stage.

    Raises:
        StageError: the spec has another form, a name occurs twice (capitals do not matter), or a
            stage has too few checkpoints.
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
                f"checkpoints; the scores need at least {min_checkpoints}. Save more checkpoints, "
                f"choose fewer or longer {option('stages')}, or drop scores that need a spread."
            )
    return tuple(stages)


def pick_checkpoints(
    stages: tuple[Stage, ...], per_stage: int | None, min_checkpoints: int
) -> tuple[list[int], tuple[Stage, ...]]:
    """Return evenly spaced checkpoints of each stage, and the stages cut from these alone.

    Args:
        stages: as `cut_stages` returns them.
        per_stage: the number for every stage, its first and last included; None for all. The
            stage `all` has the checkpoints of all other stages, or this number if it is alone.
        min_checkpoints: the least that the scores need in a stage.

    Raises:
        StageError: `per_stage` is less than the scores need.
    """
    if per_stage is None:
        return list(range(stages[-1].stop)), stages
    if per_stage < min_checkpoints:
        raise StageError(
            f"{option('checkpoints_per_stage', per_stage)}: the scores need at least "
            f"{min_checkpoints} checkpoints in every stage."
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
    """Return the stages cut from the checkpoints at these positions, which are ascending."""
    return tuple(
        Stage(
            stage.name,
            sum(position < stage.start for position in positions),
            sum(position < stage.stop for position in positions),
        )
        for stage in stages
    )


def segments(stages: tuple[Stage, ...]) -> list[range]:
    """Return the longest ranges of checkpoints without a stage boundary, in training order.

    Each stage is a sequence of these, so each is folded once even if stages overlap.
    """
    edges = sorted({edge for stage in stages for edge in (stage.start, stage.stop)})
    return [range(start, stop) for start, stop in itertools.pairwise(edges)]


def _equal_stages(count: int, checkpoints: int) -> list[Stage]:
    if count < 1:
        raise StageError(f"{option('stages', count)}: expected at least 1.")
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
                f"{option('stages')}: {word!r} is neither a number of stages nor NAME=START:STOP. "
                f"Example: {option('stages', 'early=0:3,late=-3:')}"
            )
        name, start, stop = match.groups()
        if name in slices:
            raise StageError(f"{option('stages')}: the name {name!r} is given twice.")
        slices[name] = (int(start) if start else None, int(stop) if stop else None)
    return slices


def _refuse_names_alike(names: Iterable[str]) -> None:
    """Raise if names of stages differ only in capitals, which DuckDB does not distinguish."""
    names_by_lowercase = {_ALL: _ALL}
    for name in names:
        first_name = names_by_lowercase.setdefault(name.casefold(), name)
        if first_name != name:
            raise StageError(
                f"{option('stages')}: {name!r} and {first_name!r} differ in capitals only, so SQL "
                f"could not tell their columns apart. Rename one of them."
            )


def _stage_of_slice(name: str, bounds: tuple[int | None, int | None], checkpoints: int) -> Stage:
    if name == _ALL or not re.fullmatch(r"\w+", name):
        raise StageError(
            f"{option('stages')}: {name!r} cannot be the name of a stage. Use letters, digits and "
            f"underscores; 'all' is always the stage of every checkpoint."
        )
    start, stop, _ = slice(*bounds).indices(checkpoints)
    return Stage(name, start, stop)
