"""Tables in Markdown of results of several seeds."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import t


def row(*cells: str) -> str:
    """Return one line of a table."""
    return f"| {' | '.join(cells)} |\n"


def spread(values: Sequence[float | None], digits: int) -> str:
    """Return mean and 95 % interval of Student's t over seeds; a dash for fewer than two values."""
    numbers = [value for value in values if value is not None]
    if len(numbers) < 2:
        return "-"
    half_width = t.ppf(0.975, len(numbers) - 1) * np.std(numbers, ddof=1) / np.sqrt(len(numbers))
    return f"{np.mean(numbers):.{digits}f} ± {half_width:.{digits}f}"
