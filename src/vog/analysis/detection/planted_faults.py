"""How well each score of a run finds examples that are known to be of a kind."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from vog.analysis.detection.intervals import Estimate, separation
from vog.analysis.label_errors.suspects import LOGIT_SCORES, combined_hardness
from vog.errors import ResultError, unknown
from vog.progress import progress
from vog.result import Run
from vog.result.planting_record import KINDS, Planted, as_planting_record

COMBINATION = "combination"
_LEVEL = 0.05  # the level at which a score is told from chance
_MIN_RESAMPLES = 20  # below, the outermost 2.5 % of the resamples are none


@dataclass(frozen=True)
class Detection:
    """How well the hard end of one column finds the planted examples of one kind.

    Attributes:
        kind: as `flip`.
        score: its name; `combination` is what `vog suspects` ranks by.
        stage: of the score.
        planted: rows of this kind that have a value.
        clean: rows that are planted in no way and have one.
        left_out: rows of either sort that have none.
        auroc: that a planted row is harder than a clean one, ties counted half; 0.5 is chance.
        ap: average precision; `rate` is chance.
        precision: the share of planted rows among the `planted` hardest; `rate` is chance.
        chance: how probable an AUROC so far from 0.5 is by chance, to either side, by permutation.
    """

    kind: str
    score: str
    stage: str
    planted: int
    clean: int
    left_out: int
    auroc: Estimate
    ap: Estimate
    precision: Estimate
    chance: float

    @property
    def column(self) -> str:
        """`vog@late`."""
        return f"{self.score}@{self.stage}"

    @property
    def rate(self) -> float:
        """The share of planted rows, in [0, 1]."""
        return self.planted / max(1, self.planted + self.clean)

    @property
    def tells(self) -> bool:
        """Whether its values are not dealt out at random, at the level of 0.05."""
        return self.chance < _LEVEL

    def row(self) -> dict[str, Any]:
        """The same, flat."""
        counts = ("kind", "score", "stage", "planted", "clean", "left_out")
        return (
            {name: getattr(self, name) for name in counts}
            | {
                f"{name}{end}": getattr(getattr(self, name), part)
                for name in ("auroc", "ap", "precision")
                for end, part in (("", "value"), ("_low", "low"), ("_high", "high"))
            }
            | {"chance": self.chance}
        )


@dataclass(frozen=True)
class Verification:
    """Which score finds what was planted.

    Attributes:
        detections: by kind, the best AUROC first.
        resamples: how many the intervals of average precision are made of.
        seed: that they were drawn with.
    """

    detections: tuple[Detection, ...]
    resamples: int
    seed: int

    @property
    def kinds(self) -> tuple[str, ...]:
        """What was planted and looked for."""
        return tuple(dict.fromkeys(result.kind for result in self.detections))

    def of(self, kind: str, stage: str | None = None) -> tuple[Detection, ...]:
        """Those of one kind, the best first; of one stage if it is given.

        Raises:
            ResultError: there is no such kind or stage.
        """
        _check_name("kind", kind, self.kinds)
        results = [result for result in self.detections if result.kind == kind]
        if stage is not None:
            _check_name("stage", stage, dict.fromkeys(result.stage for result in results))
        return tuple(result for result in results if stage in (None, result.stage))

    def best(self, kind: str) -> Detection:
        """The column with the highest AUROC.

        Raises:
            ResultError: there is no such kind.
        """
        return self.of(kind)[0]

    def better_stages(
        self, kind: str, stage: str = "all"
    ) -> tuple[tuple[Detection, Detection], ...]:
        """By score, its best other stage and the given one, where the intervals do not overlap.

        Raises:
            ResultError: there is no such kind or stage.
        """
        base = {result.score: result for result in self.of(kind, stage)}
        better: dict[str, tuple[Detection, Detection]] = {}
        for result in self.of(kind):
            clear = result.score in base and result.auroc.low > max(
                0.5, base[result.score].auroc.high
            )
            if clear:
                better.setdefault(result.score, (result, base[result.score]))
        return tuple(better.values())

    def reading(self, kind: str, stage: str = "all") -> tuple[str, ...]:
        """In sentences, which scores of a stage find this kind, and which do not.

        Raises:
            ResultError: there is no such kind or stage.
        """
        results, better = self.of(kind, stage), self.better_stages(kind, stage)
        groups = {
            "Better than chance": [o for o in results if o.tells and o.auroc.value > 0.5],
            f"No better than chance (by permutation, at {_LEVEL})": [
                result for result in results if result.chance >= _LEVEL
            ],
            f"The other way round, easier on {kind} than on clean rows": [
                result for result in results if result.tells and result.auroc.value < 0.5
            ],
            "Cannot be told, for lack of values": [
                result for result in results if np.isnan(result.auroc.value)
            ],
        }
        sentences = [_best_sentence(kind, stage, results[0])]
        sentences += [
            f"{heading}: {', '.join(o.score for o in group)}."
            for heading, group in groups.items()
            if group
        ]
        other_stages = (
            f"{o.column} ({o.auroc.value:.2f}, {h.auroc.value:.2f} here)" for o, h in better
        )
        return (
            *sentences,
            *([f"Clearly better at another stage: {', '.join(other_stages)}."] if better else []),
        )


def verify(
    run: Run,
    planted: Planted | str | Path,
    resamples: int = 200,
    seed: int = 0,
    kind: str | None = None,
    quiet: bool = False,
) -> Verification:
    """How well every score at every stage finds each kind of planted examples.

    Compared are the rows of one kind with those that are planted in no way, so that the kinds do
    not blur each other. Rows without a value are left out and counted.

    Args:
        run: of the planted data.
        planted: the record of planting, or the folder that `vog plant` wrote.
        resamples: of the bootstrap for average precision, which draws planted and clean rows
            separately.
        seed: it is drawn with; equal seeds give equal intervals.
        kind: only this one.
        quiet: no progress bar.

    Raises:
        ResultError: the run is not of the planted data, nothing or everything is planted, there is
            no such kind, or there are fewer than 20 resamples.
    """
    record = as_planting_record(planted)
    if resamples < _MIN_RESAMPLES:
        raise ResultError(
            f"{resamples} resamples give no 95 % interval; ask for {_MIN_RESAMPLES} or more."
        )
    if kind is not None:
        _check_name("kind", kind, record.kinds)
    rows = record.rows(run)
    clean = ~np.any(list(rows.values()), axis=0) if rows else np.zeros(0, bool)
    if not clean.any():
        what = "none of its examples is planted" if not rows else "every row of it is planted"
        raise ResultError(
            f"{run.folder} cannot be verified: {what}, and planted examples are compared with "
            f"those that were left as they were. Plant into a part of the data."
        )
    masks = {name: mask for name, mask in rows.items() if kind in (None, name)}
    detections: list[Detection] = []
    with progress("verifying", total=len(run.score_columns) + 1, quiet=quiet) as advance:
        for column, values in _hard_values(run):
            detections += _detections(column, values, masks, clean, resamples, seed)
            advance(1)
    return Verification(tuple(sorted(detections, key=_sort_key)), resamples, seed)


def _hard_values(run: Run) -> Iterator[tuple[str, Float[np.ndarray, "n"]]]:
    """Every column with its hard end up, and last the combination, where the run has it."""
    for column in run.score_columns:
        values = run.numbers(column)
        yield column, values if run.hard_is_high(column) else -values
    if any(f"{name}@all" in run.score_columns for name in LOGIT_SCORES):
        yield f"{COMBINATION}@all", combined_hardness(run)[1]


def _detections(
    column: str,
    values: Float[np.ndarray, "n"],
    masks: dict[str, Bool[np.ndarray, "n"]],
    clean: Bool[np.ndarray, "n"],
    resamples: int,
    seed: int,
) -> Iterator[Detection]:
    has_value = ~np.isnan(values)
    clean_values = np.sort(values[clean & has_value])
    score, _, stage = column.partition("@")
    for kind, mask in masks.items():
        planted = values[mask & has_value]
        # Begun anew, so that the intervals do not depend on what else is asked for.
        result = separation(planted, clean_values, resamples, np.random.default_rng(seed))
        left_out = int(((mask | clean) & ~has_value).sum())
        parts = (result.auroc, result.ap, result.precision, result.chance)
        yield Detection(kind, score, stage, len(planted), len(clean_values), left_out, *parts)


def _sort_key(result: Detection) -> tuple[int, float, float, str]:
    """By kind the best first; those that cannot be told, NaN, last."""
    best = [np.nan_to_num(-number.value, nan=1.0).item() for number in (result.auroc, result.ap)]
    return KINDS.index(result.kind), best[0], best[1], result.column


def _best_sentence(kind: str, stage: str, top: Detection) -> str:
    auroc, count = top.auroc, top.planted
    if np.isnan(auroc.value):
        return f"{kind}: no score of stage {stage} has values for planted and for clean rows."
    number = f"AUROC {auroc.value:.3f}, {auroc.low:.3f} to {auroc.high:.3f}"
    if not top.tells or auroc.value <= 0.5:
        return f"{kind}: no score of stage {stage} finds it; {top.score} comes closest ({number})."
    return (
        f"{kind}: {top.score} finds it best at stage {stage} ({number}); of the {count:,} hardest, "
        f"{top.precision.value:.0%} are planted, by chance {top.rate:.1%}."
    )


def _check_name(what: str, name: str, names: Iterable[str]) -> None:
    names = list(names)
    if name not in names:
        raise ResultError(f"there is no {what} {name!r} here.{unknown(name, names)}")
