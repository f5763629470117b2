"""How much each example is to count when a model is fitted again: scikit-learn's sample_weight."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vog.analysis.label_errors.suspects import require_verdict
from vog.errors import ResultError
from vog.exports.labelled_rows import label_quality
from vog.files.writing import write_array
from vog.result import Run
from vog.result.planting_record import Planted


def sample_weight(
    run: Run, column: str | None = None, planted: Planted | None = None
) -> Float[np.ndarray, "n"]:
    """One weight a row, in the order of the data, none negative, with mean 1.

    Proportional to the probability that the label is right (or to 1 minus the hardness, where the
    verdict has no probabilities). A row of which nothing is known weighs 1, as the mean of
    the others.

    Args:
        run: with all its rows.
        column: weight by this score instead, stored or derived: 1 minus its hardness rank, so
            that the hardest example counts nothing and the easiest twice.
        planted: what the verdict is calibrated on, where something was planted.

    Raises:
        ResultError: rows are missing, there is no such score, or the labels cannot be judged.
    """
    if run.missing_rows:
        raise ResultError(
            f"{run.folder} lacks {run.missing_rows:,} rows, so weights would not stand in the "
            f"order of the data. Run the same `vog score` command again to continue."
        )
    run.require_every_row()
    if column is not None:
        run.score_column(column)
        return _scale_to_mean_1(1 - run.hardness(column))
    return _scale_to_mean_1(label_quality(require_verdict(run, planted)))


def write_sample_weights(
    run: Run,
    path: Path,
    columns: Sequence[str] | None = None,
    planted: Planted | None = None,
) -> None:
    """Write the weights for `numpy.load`, float64.

    Raises:
        ResultError: more than one column, or as for `sample_weight`.
    """
    if columns is not None and len(columns) != 1:
        raise ResultError(
            f"weights are made of one column, and --columns names {len(columns)}: "
            f"{', '.join(columns)}. Give one, or none to weight by the verdict on the labels."
        )
    weights = sample_weight(run, columns[0] if columns else None, planted)
    write_array(path, weights)


def _scale_to_mean_1(quality: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Each over the mean of those that are known; all 1 where that is nothing."""
    is_known = np.isfinite(quality)
    mean = float(quality[is_known].mean()) if is_known.any() else 0.0
    if mean == 0:
        return np.ones(len(quality))
    return np.where(is_known, quality / mean, 1.0)
