"""The section with the hardest and the easiest examples, of all and of each class."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from vog.pages import format_number
from vog.reporting.section import Pictures, ReportedRun, Section, SelectedRow
from vog.result import Run

_END_TILES = 14
# The largest number of tiles at each end of a class, and of all classes together.
_CLASS_TILES, _ALL_CLASS_TILES = 12, 2600
_RowSelector = Callable[[Int[np.ndarray, "few"]], list[SelectedRow]]


@dataclass(frozen=True)
class RankingEnds:
    """The hardest and the easiest examples.

    Attributes:
        unit: unit of a view of a score, such as `vog_z@all` of a combined run; None for a score.
        pictures: the examples.
    """

    unit: str | None
    pictures: Pictures


def _ranking_ends(reported: ReportedRun) -> RankingEnds:
    return RankingEnds(reported.unit, _choose_examples(reported.run, reported.by))


def _choose_examples(run: Run, by: str) -> Pictures:
    """Return the hardest and the easiest of all and of each class."""
    values = run.values(by)
    sign = -1 if run.higher_is_harder(by) else 1
    order = np.lexsort((np.arange(len(values)), sign * values))
    order = order[: int((~np.isnan(values)).sum())]
    ends = min(_END_TILES, len(order) // 2)
    index = run.table(["index"])["index"].to_numpy()  # not the position if parts are missing

    def select_rows(places: Int[np.ndarray, "few"]) -> list[SelectedRow]:
        return [
            SelectedRow(int(index[i]), (f"{by} {format_number(float(values[i]))}",)) for i in places
        ]

    galleries = {"hardest": select_rows(order[:ends]), "easiest": select_rows(order[::-1][:ends])}
    return Pictures(galleries, *_choose_by_class(run, order, select_rows))


def _choose_by_class(
    run: Run, order: Int[np.ndarray, "n"], select_rows: _RowSelector
) -> tuple[dict[int, tuple[list[SelectedRow], list[SelectedRow]]], int]:
    """Return the hardest and easiest rows of each class, and the number of classes left out."""
    labels = run.class_labels[order]
    grouped = np.argsort(labels, kind="stable")
    numbers, start, count = np.unique(labels[grouped], return_index=True, return_counts=True)
    groups = zip(numbers, start, count, strict=True)
    labelled = [(label, first, size) for label, first, size in groups if label >= 0]
    fitting = labelled[: _ALL_CLASS_TILES // 2]
    each = max(1, min(_CLASS_TILES, _ALL_CLASS_TILES // (2 * max(1, len(fitting)))))
    classes = {}
    for label, first, size in fitting:
        rows = order[grouped[first : first + size]]
        hard = min(each, max(1, size // 2))
        easy = min(each, size - hard)
        classes[int(label)] = (select_rows(rows[:hard]), select_rows(rows[::-1][:easy]))
    return classes, len(labelled) - len(fitting)


EXAMPLES = Section(
    id="examples",
    link="Examples",
    title="The hardest and the easiest",
    find=_ranking_ends,
    template=Path(__file__).with_suffix(".html"),
    pictures=lambda ends: ends.pictures,
)
