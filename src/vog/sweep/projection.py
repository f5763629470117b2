"""Features projected to a few numbers an example, in which neighbours stay neighbours.

The input of the last layer times a fixed random matrix keeps distances but for some noise (Johnson
and Lindenstrauss, 1984), and takes 64 bytes an example instead of some thousands.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Float16
from torch import Tensor

COLUMNS = 32


@dataclass(frozen=True)
class Projection:
    """A random matrix with independent normal entries.

    Attributes:
        seed: of its entries.
        columns: numbers that an example is projected to.
    """

    seed: int = 0
    columns: int = COLUMNS

    def matrix(self, width: int) -> Float[np.ndarray, "width columns"]:
        """Return the matrix for features of a width; its rows have the length 1 on average."""
        return _matrix(self.seed, width, self.columns)

    def apply(self, features: Float[Tensor, "n width"]) -> Float16[np.ndarray, "n columns"]:
        """Return the projected features; rows of NaN where a value is not finite in float16."""
        matrix = torch.tensor(self.matrix(features.shape[1]), device=features.device)
        projected = (features.float() @ matrix).half().cpu().numpy()
        projected[~np.isfinite(projected).all(axis=1)] = np.nan
        return projected


@lru_cache(maxsize=2)  # a matrix for 150,000 features takes a tenth of a second
def _matrix(seed: int, width: int, columns: int) -> Float[np.ndarray, "width columns"]:
    # The legacy generator gives the same numbers in every version of NumPy.
    normal = np.random.RandomState(seed).standard_normal((width, columns))
    matrix = (normal / np.sqrt(columns)).astype(np.float32)
    matrix.flags.writeable = False
    return matrix
