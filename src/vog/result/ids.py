"""Finding examples by their ids, which stay the same when rows are shuffled."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int


def positions_of(
    ids: Iterable[str] | pa.Array, among: pa.Array | pa.ChunkedArray
) -> Int[np.ndarray, "m"]:
    """Return the position of each id in `among`; -1 if it is not there."""
    query_ids = ids if isinstance(ids, pa.Array) else pa.array(list(ids), pa.string())
    all_ids = among if isinstance(among, pa.Array) else among.combine_chunks()
    positions = pc.index_in(query_ids, all_ids)  # pyright: ignore[reportAttributeAccessIssue]
    return positions.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
