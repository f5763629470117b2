"""Groups of examples that look alike, by k-means on their pixels."""

import numpy as np
from jaxtyping import Int
from PIL import Image

from vog.data.examples import Examples, UnreadableError
from vog.data.stored_inputs import value_of
from vog.data.tensors import as_array
from vog.errors import DataError
from vog.planting.flips import CLUSTER, FlipRule
from vog.progress import progress
from vog.wording import option

_SIDE = 16  # images are compared at 16 x 16 pixels
_GROUP_SIZE = 30  # average number of examples in a group
_MAX_DIMENSIONS = 50  # after PCA
_MAX_GROUPS = 1000
_MAX_NUMBERS = 4096  # of an example that is no image, evenly spaced


def cluster_flip_rule(examples: Examples, seed: int, quiet: bool) -> FlipRule:
    """Return a rule that flips whole groups of similar examples.

    Args:
        examples: the data; those that cannot be read are in no group.
        seed: of PCA and k-means.
        quiet: show no progress.

    Raises:
        DataError: fewer than four examples can be read, or their shapes differ.
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import PCA

    rows, vectors = _read_vectors(examples, quiet)
    if len(rows) < 4:
        raise DataError(f"{option('flip_kind', CLUSTER)} needs at least 4 readable examples.")
    dimensions = min(_MAX_DIMENSIONS, *vectors.shape)
    if dimensions < vectors.shape[1]:
        vectors = PCA(dimensions, svd_solver="randomized", random_state=seed).fit_transform(vectors)
    count = min(_MAX_GROUPS, max(2, len(rows) // _GROUP_SIZE))
    groups = MiniBatchKMeans(count, random_state=seed, n_init="auto").fit_predict(vectors)
    cluster = np.full(len(examples), -1)
    cluster[rows] = groups
    return FlipRule(CLUSTER, cluster=cluster)


def _read_vectors(examples: Examples, quiet: bool) -> tuple[Int[np.ndarray, "m"], np.ndarray]:
    rows: list[int] = []
    vectors: list[np.ndarray] = []
    with progress("looking for groups", len(examples), quiet=quiet) as advance:
        for row in range(len(examples)):
            advance(1)
            try:
                value = value_of(examples, row)
            except (OSError, UnreadableError):
                continue
            rows.append(row)
            vectors.append(_feature_vector(value))
            if vectors[-1].shape != vectors[0].shape:
                raise DataError(
                    f"{option('flip_kind', CLUSTER)} compares examples of one shape: "
                    f"{examples.ids[row]!r} has {vectors[-1].size:,} numbers and "
                    f"{examples.ids[rows[0]]!r} {vectors[0].size:,}. Ask for another kind."
                )
    return np.array(rows, np.int64), np.array(vectors, np.float32)


def _feature_vector(value: object) -> np.ndarray:
    """Return the numbers to compare: a small RGB image, or evenly spaced values of an array."""
    if isinstance(value, Image.Image):
        return np.asarray(value.convert("RGB").resize((_SIDE, _SIDE)), np.float32).ravel() / 255
    flat = as_array(value).ravel()
    return np.nan_to_num(flat[:: -(-flat.size // _MAX_NUMBERS)].astype(np.float32))
