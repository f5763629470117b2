"""Counts of examples on a grid of two scores, small enough to draw for a million examples."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

_LOW, _HIGH = 0.1, 99.9  # percentiles
_FEW_ROWS = 20  # with fewer rows, no row lies outside the edges


@dataclass(frozen=True)
class DensityCell:
    """A rectangle of the plane that holds examples; it includes its left and lower edges.

    Attributes:
        x0: left edge.
        x1: right edge.
        y0: lower edge.
        y1: upper edge.
        count: number of examples in it.
        mean: mean of their finite colour values; NaN if there are none.
    """

    x0: float
    x1: float
    y0: float
    y1: float
    count: int
    mean: float


@dataclass(frozen=True)
class Density:
    """Distribution of the examples in the plane of two columns.

    Attributes:
        cells: cells that are not empty, from left to right and then from bottom to top.
        bins: number of cells on each side.
        left_out: number of rows that lack a finite value on an axis.
        counted: number of rows in a cell.
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
    """Return the number of rows in each cell of a grid of two columns.

    Each axis goes from the 0.1 to the 99.9 percentile of its values; rows outside are counted in
    the cells at the edge. With fewer than 20 rows none lies outside. On a constant axis all rows
    are in the middle.

    Args:
        x: values on the horizontal axis.
        y: values on the vertical axis.
        colour: values that are averaged in each cell.
        bins: number of cells on each side.
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
    # Round inwards to an existing value, so that one outlier does not squeeze the other rows.
    few = len(values) < _FEW_ROWS
    low = float(np.percentile(values, _LOW, method="lower" if few else "higher"))
    high = float(np.percentile(values, _HIGH, method="higher" if few else "lower"))
    precision = np.finfo(float)
    # Edges closer than this would be equal after rounding.
    if high - low <= 4 * bins * (precision.eps * max(abs(low), abs(high)) + precision.tiny):
        half = abs(low) / 2 or 0.5
        low, high = low - half, low + half
    return np.linspace(low, high, bins + 1)


def _bins(
    values: Float[np.ndarray, "m"], edges: Float[np.ndarray, "edges"]
) -> Int[np.ndarray, "m"]:
    """Return the bin of each value; the outer bins include values beyond the edges."""
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
