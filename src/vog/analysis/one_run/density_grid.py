"""Two scores of a million examples as a grid of counts, which a page can draw."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

_LOW, _HIGH = 0.1, 99.9  # percentiles
_FEW_ROWS = 20  # rows, of which each counts


@dataclass(frozen=True)
class DensityCell:
    """A rectangle of the plane, its left and lower edges included, that is not empty.

    Attributes:
        x0: left edge.
        x1: right edge.
        y0: lower edge.
        y1: upper edge.
        count: how many examples are in it.
        mean: of their finite colour values; NaN without any.
    """

    x0: float
    x1: float
    y0: float
    y1: float
    count: int
    mean: float


@dataclass(frozen=True)
class Density:
    """Where the examples are in the plane of two columns.

    Attributes:
        cells: the ones that are not empty, from left to right, each column from below.
        bins: cells a side.
        left_out: rows without a finite value for both axes.
        counted: rows that are in a cell.
    """

    cells: tuple[DensityCell, ...]
    bins: int
    left_out: int
    counted: int


def density(
    x: Float[np.ndarray, "n"],
    y: Float[np.ndarray, "n"],
    colour: Float[np.ndarray, "n"] | None = None,
    bins: int = 40,
) -> Density:
    """How many rows have which pair of values.

    Each axis goes from the 0.1 to the 99.9 percentile of its values; what lies outside is counted
    in the cells at the edge. With fewer than 20 rows nothing lies outside. A constant axis has all
    rows in its middle.

    Args:
        x: values to the right.
        y: values upwards.
        colour: what is averaged in each cell.
        bins: cells a side.
    """
    valid = np.isfinite(x) & np.isfinite(y)
    counted = int(valid.sum())
    if not counted:
        return Density((), bins, len(x), 0)
    x_edges, y_edges = _edges(x[valid], bins), _edges(y[valid], bins)
    index = _bins(x[valid], x_edges) * bins + _bins(y[valid], y_edges)
    count = np.bincount(index, minlength=bins * bins)
    mean = np.full(bins * bins, np.nan) if colour is None else _means(colour[valid], index, bins)
    cells = tuple(_cell(i, x_edges, y_edges, count, mean) for i in np.flatnonzero(count).tolist())
    return Density(cells, bins, len(x) - counted, counted)


def _edges(values: Float[np.ndarray, "m"], bins: int) -> Float[np.ndarray, "edges"]:
    # Inwards to a value that is there: a single extreme one must not squeeze all others together.
    few = len(values) < _FEW_ROWS
    low = float(np.percentile(values, _LOW, method="lower" if few else "higher"))
    high = float(np.percentile(values, _HIGH, method="higher" if few else "lower"))
    precision = np.finfo(float)
    # Edges closer than this would fall together.
    if high - low <= 4 * bins * (precision.eps * max(abs(low), abs(high)) + precision.tiny):
        half = abs(low) / 2 or 0.5
        low, high = low - half, low + half
    return np.linspace(low, high, bins + 1)


def _bins(
    values: Float[np.ndarray, "m"], edges: Float[np.ndarray, "edges"]
) -> Int[np.ndarray, "m"]:
    """The bin of each value; the outer two take what lies beyond them."""
    return np.searchsorted(edges[1:-1], values, "right")


def _means(
    colour: Float[np.ndarray, "m"], index: Int[np.ndarray, "m"], bins: int
) -> Float[np.ndarray, "cells"]:
    finite = np.isfinite(colour)
    count = np.bincount(index[finite], minlength=bins * bins)
    total = np.bincount(index[finite], colour[finite], bins * bins)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _cell(
    index: int,
    x_edges: Float[np.ndarray, "edges"],
    y_edges: Float[np.ndarray, "edges"],
    count: Int[np.ndarray, "cells"],
    mean: Float[np.ndarray, "cells"],
) -> DensityCell:
    column, row = divmod(index, len(x_edges) - 1)
    x0, x1 = x_edges[column : column + 2].tolist()
    y0, y1 = y_edges[row : row + 2].tolist()
    return DensityCell(x0, x1, y0, y1, int(count[index]), float(mean[index]))
