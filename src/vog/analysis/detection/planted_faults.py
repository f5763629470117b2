"""Measures of how well each score of a run finds the planted examples."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from vog.analysis.detection.intervals import Estimate, separation
from vog.analysis.label_errors.suspects import LOGIT_SCORES, combined_hardness
from vog.errors import ResultError, unknown
from vog.former_names import FormerAttribute
from vog.progress import progress
from vog.result import Run
from vog.result.planting_record import KINDS, Planted, as_planting_record
from vog.wording import option

COMBINATION = "combination"
_LEVEL = 0.05  # significance level of the permutation test
_MIN_RESAMPLES = 20  # with fewer resamples, 2.5 % of them is less than one


@dataclass(frozen=True)
class Detection:
    """Measures of how well hard values of one column find the planted examples of one kind.

    Attributes:
        kind: the kind, such as `flip`.
        score: the name of the score; `combination` is what `vog suspects` ranks by.
        stage: the stage of the score.
        planted: number of rows of this kind with a value.
        clean: number of rows with a value that were not planted in any way.
        left_out: number of rows of either sort without a value.
        auroc: probability that a planted row is harder than a clean one, ties counted half; 0.5 is
            chance.
        ap: average precision; `planted_share` is chance.
        precision: the share of planted rows among the `planted` hardest; `planted_share` is chance.
        p_value: two-sided p-value of the AUROC, by permutation.
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
    p_value: float

    chance = FormerAttribute("p_value")
    rate = FormerAttribute("planted_share")
    tells = FormerAttribute("is_significant")

    @property
    def column(self) -> str:
        """The name of the column, such as `vog@late`."""
        return f"{self.score}@{self.stage}"

    @property
    def planted_share(self) -> float:
        """The share of planted rows, in [0, 1]."""
        return self.planted / max(1, self.planted + self.clean)

    @property
    def is_significant(self) -> bool:
        """True if the AUROC differs from chance at the level of 0.05."""
        return self.p_value < _LEVEL

    def row(self) -> dict[str, Any]:
        """Return all fields as one flat dict, each measure with its interval."""
        counts = ("kind", "score", "stage", "planted", "clean", "left_out")
        return (
            {name: getattr(self, name) for name in counts}
            | {
                f"{name}{end}": getattr(getattr(self, name), part)
                for name in ("auroc", "ap", "precision")
                for end, part in (("", "value"), ("_low", "low"), ("_high", "high"))
            }
            | {"chance": self.p_value}
        )


@dataclass(frozen=True)
class Verification:
    """The detections of all scores.

    Attributes:
        detections: kind by kind, the best AUROC first.
        resamples: number of bootstrap draws for the intervals of average precision.
        seed: of the draws.
    """

    detections: tuple[Detection, ...]
    resamples: int
    seed: int

    of = FormerAttribute("detections_of")
    reading = FormerAttribute("summarise")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The planted kinds that were verified."""
        return tuple(dict.fromkeys(result.kind for result in self.detections))

    def detections_of(self, kind: str, stage: str | None = None) -> tuple[Detection, ...]:
        """Return the detections of one kind, the best first; of one stage if it is given.

        Raises:
            ResultError: there is no such kind or stage.
        """
        _check_name("kind", kind, self.kinds)
        results = [result for result in self.detections if result.kind == kind]
        if stage is not None:
            _check_name("stage", stage, dict.fromkeys(result.stage for result in results))
        return tuple(result for result in results if stage in (None, result.stage))

    def best(self, kind: str) -> Detection:
        """Return the detection with the highest AUROC.

        Raises:
            ResultError: there is no such kind.
        """
        return self.detections_of(kind)[0]

    def better_stages(
        self, kind: str, stage: str = "all"
    ) -> tuple[tuple[Detection, Detection], ...]:
        """Return pairs of a score at its best stage and at `stage`, if the best is clearly better.

        That is, their intervals of AUROC do not overlap, and the better one is above chance.

        Raises:
            ResultError: there is no such kind or stage.
        """
        base = {result.score: result for result in self.detections_of(kind, stage)}
        better: dict[str, tuple[Detection, Detection]] = {}
        for result in self.detections_of(kind):
            at_stage = base.get(result.score)
            if at_stage is not None and result.auroc.low > max(0.5, at_stage.auroc.high):
                better.setdefault(result.score, (result, at_stage))
        return tuple(better.values())

    def summarise(self, kind: str, stage: str = "all") -> tuple[str, ...]:
        """Return sentences that say which scores of a stage find this kind, and which do not.

        Raises:
            ResultError: there is no such kind or stage.
        """
        results, better = self.detections_of(kind, stage), self.better_stages(kind, stage)
        groups = {
            "Better than chance": [
                x.score for x in results if x.is_significant and x.auroc.value > 0.5
            ],
            f"No better than chance (by permutation, at {_LEVEL})": [
                result.score for result in results if result.p_value >= _LEVEL
            ],
            f"The other way round, easier on {kind} than on clean rows": [
                result.score
                for result in results
                if result.is_significant and result.auroc.value < 0.5
            ],
            "Unknown, for lack of values": [x.score for x in results if np.isnan(x.auroc.value)],
        }
        sentences = [_best_sentence(kind, stage, results[0])]
        sentences += [f"{text}: {', '.join(names)}." for text, names in groups.items() if names]
        if better:
            pairs = ((best, best.auroc.value, base.auroc.value) for best, base in better)
            texts = (f"{best.column} ({high:.2f}, {low:.2f} here)" for best, high, low in pairs)
            sentences.append(f"Clearly better at another stage: {', '.join(texts)}.")
        return tuple(sentences)


def verify(
    run: Run,
    planted: Planted | str | Path,
    resamples: int = 200,
    seed: int = 0,
    kind: str | None = None,
    quiet: bool = False,
) -> Verification:
    """Return how well every score at every stage finds each kind of planted examples.

    The rows of one kind are compared with the rows that were not planted in any way, so that other
    kinds do not disturb the comparison. Rows without a value are left out and counted.

    Args:
        run: a run of the planted data.
        planted: the record of planting, or the folder that `vog.plant` wrote.
        resamples: number of bootstrap draws for average precision, at least 20. Planted and clean
            rows are drawn separately.
        seed: of the draws; equal seeds give equal intervals.
        kind: the only kind to verify; None for all.
        quiet: show no progress bar.

    Raises:
        ResultError: the run is not of the planted data, nothing or everything is planted, there is
            no such kind, or there are fewer than 20 resamples.
    """
    record = as_planting_record(planted)
    if resamples < _MIN_RESAMPLES:
        raise ResultError(
            f"{option('resamples', resamples)}: a 95 % interval needs {_MIN_RESAMPLES} or more."
        )
    if kind is not None:
        _check_name("kind", kind, record.kinds)
    rows = record.rows(run)
    clean = ~np.any(list(rows.values()), axis=0) if rows else np.zeros(0, bool)
    if not clean.any():
        what = "none of its examples is planted" if not rows else "every row of it is planted"
        raise ResultError(
            f"{run.folder} cannot be verified: {what}, and planted examples are compared with "
            f"unchanged ones. Plant into a part of the data."
        )
    masks = {name: mask for name, mask in rows.items() if kind in (None, name)}
    detections: list[Detection] = []
    with progress("verifying", total=len(run.score_columns) + 1, quiet=quiet) as advance:
        for column, values in _hard_values(run):
            detections += _detections(column, values, masks, clean, resamples, seed)
            advance(1)
    return Verification(tuple(sorted(detections, key=_sort_key)), resamples, seed)


def _hard_values(run: Run) -> Iterator[tuple[str, Float[np.ndarray, "n"]]]:
    """Yield every column, turned so that large is hard, and last the combination, if any."""
    for column in run.score_columns:
        values = run.values(column)
        yield column, values if run.higher_is_harder(column) else -values
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
        # A new generator for each, so that the intervals do not depend on the other kinds.
        result = separation(planted, clean_values, resamples, np.random.default_rng(seed))
        left_out = int(((mask | clean) & ~has_value).sum())
        parts = (result.auroc, result.ap, result.precision, result.p_value)
        yield Detection(kind, score, stage, len(planted), len(clean_values), left_out, *parts)


def _sort_key(result: Detection) -> tuple[int, float, float, str]:
    """Return the key that sorts by kind and then by falling AUROC and AP, NaN last."""
    best = [np.nan_to_num(-number.value, nan=1.0).item() for number in (result.auroc, result.ap)]
    return KINDS.index(result.kind), best[0], best[1], result.column


def _best_sentence(kind: str, stage: str, top: Detection) -> str:
    auroc, count = top.auroc, top.planted
    if np.isnan(auroc.value):
        return f"{kind}: no score of stage {stage} has values for planted and for clean rows."
    number = f"AUROC {auroc.value:.3f}, {auroc.low:.3f} to {auroc.high:.3f}"
    if not top.is_significant or auroc.value <= 0.5:
        return f"{kind}: no score of stage {stage} finds it; {top.score} comes closest ({number})."
    return (
        f"{kind}: {top.score} finds it best at stage {stage} ({number}); of the {count:,} hardest, "
        f"{top.precision.value:.0%} are planted, by chance {top.planted_share:.1%}."
    )


def _check_name(what: str, name: str, names: Iterable[str]) -> None:
    names = list(names)
    if name not in names:
        raise ResultError(f"there is no {what} {name!r} here.{unknown(name, names)}")
