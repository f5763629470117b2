"""Groups of examples that look alike, by k-means on their pixels."""

import numpy as np
from jaxtyping import Int
from PIL import Image

from vog.data.examples import Examples, UnreadableError
from vog.data.stored_inputs import as_array, value_of
from vog.errors import DataError
from vog.planting.flips import CLUSTER, Flips
from vog.progress import progress

_SIDE = 16  # pixels of the small image that stands for one
_EACH = 30  # examples in a group, about
_WIDEST = 50  # dimensions that are compared
_MOST = 1000  # groups
_WIDE = 4096  # numbers of an example that are kept at most, evenly


def clusters(examples: Examples, seed: int, quiet: bool) -> Flips:
    """Flips of whole groups.

    Args:
        examples: the data; those that cannot be read are in no group.
        seed: of k-means.
        quiet: show no progress.

    Raises:
        DataError: fewer than four can be read, or they differ in shape.
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import PCA

    rows, vectors = _vectors(examples, quiet)
    if len(rows) < 4:
        raise DataError("--flip-kind cluster needs 4 examples or more that can be read.")
    narrow = min(_WIDEST, *vectors.shape)
    if narrow < vectors.shape[1]:
        vectors = PCA(narrow, svd_solver="randomized", random_state=seed).fit_transform(vectors)
    count = min(_MOST, max(2, len(rows) // _EACH))
    found = MiniBatchKMeans(count, random_state=seed, n_init="auto").fit_predict(vectors)
    cluster = np.full(len(examples), -1)
    cluster[rows] = found
    return Flips(CLUSTER, cluster=cluster)


def _vectors(examples: Examples, quiet: bool) -> tuple[Int[np.ndarray, "m"], np.ndarray]:
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
            vectors.append(_vector(value))
            if vectors[-1].shape != vectors[0].shape:
                raise DataError(
                    f"--flip-kind cluster compares examples of one shape: {examples.ids[row]!r} "
                    f"has {vectors[-1].size:,} numbers and {examples.ids[rows[0]]!r} "
                    f"{vectors[0].size:,}. Ask for another kind."
                )
    return np.array(rows, np.int64), np.array(vectors, np.float32)


def _vector(value: object) -> np.ndarray:
    """What is compared: an image small and in colours, of anything else some of its numbers."""
    if isinstance(value, Image.Image):
        return np.asarray(value.convert("RGB").resize((_SIDE, _SIDE)), np.float32).ravel() / 255
    flat = as_array(value).ravel()
    return np.nan_to_num(flat[:: -(-flat.size // _WIDE)].astype(np.float32))
