"""Weights of examples for fitting a model again, as scikit-learn's `sample_weight`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vog.errors import ResultError
from vog.exports.form import PLANTED, Form
from vog.exports.judged_labels import JudgedLabels
from vog.exports.labelled_rows import label_quality
from vog.files.writing import write_array
from vog.result import Run
from vog.result.planting_record import Planted
from vog.wording import option, same_again


def sample_weight(
    run: Run, column: str | None = None, planted: Planted | None = None
) -> Float[np.ndarray, "n"]:
    """Return one weight per row, in the order of the data: at least 0, with mean 1.

    A weight is proportional to the probability that the label is correct, or to 1 minus the
    hardness if the verdict has no probabilities. A row without either weighs 1, the mean of all
    other rows.

    Args:
        run: a run with all its rows.
        column: a score to weight by instead, stored or derived: 1 minus its hardness rank, so
            that the hardest example weighs 0 and the easiest 2.
        planted: a record of planting to calibrate the verdict on, if there is one.

    Raises:
        ResultError: rows are missing, there is no such score, or the labels cannot be judged.
    """
    return _weights(run, column, JudgedLabels(run, planted))


def write_sample_weights(
    run: Run, path: Path, columns: Sequence[str] | None, judged: JudgedLabels
) -> int:
    """Write the weights for `numpy.load`, float64, and return their number.

    Raises:
        ResultError: there is more than one column, or `sample_weight` raises.
    """
    if columns is not None and len(columns) != 1:
        raise ResultError(
            f"weights are made of one column, but {option('columns')} names {len(columns)}: "
            f"{', '.join(columns)}. Give one, or none to weight by the verdict on the labels."
        )
    weights = _weights(run, columns[0] if columns else None, judged)
    write_array(path, weights)
    return len(weights)


def _weights(run: Run, column: str | None, judged: JudgedLabels) -> Float[np.ndarray, "n"]:
    if run.missing_rows:
        raise ResultError(
            f"{run.folder} lacks {run.missing_rows:,} rows, so the weights would not be in the "
            f"order of the data. {same_again('score')} to continue."
        )
    run.require_every_row()
    if column is not None:
        column = run.sort_column(column)
        run.score_column(column)
        return _scale_to_mean_1(1 - run.hardness(column))
    return _scale_to_mean_1(label_quality(judged.require_suspects()))


def _scale_to_mean_1(quality: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Return the values divided by their mean; 1 for NaN, and for all if the mean is 0."""
    is_known = np.isfinite(quality)
    mean = float(quality[is_known].mean()) if is_known.any() else 0.0
    if mean == 0:
        return np.ones(len(quality))
    return np.where(is_known, quality / mean, 1.0)


WEIGHTS = Form(
    "weights",
    (".npy",),
    write_sample_weights,
    (PLANTED,),
    reader="scikit-learn",
    by_ending=True,
)
