"""Tables in Markdown of what several seeds gave."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import t


def row(*cells: str) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |\n"


def spread(values: Sequence[float | None], digits: int) -> str:
    """Mean and 95 % interval of Student's t over seeds; a dash where there is nothing to judge."""
    known = [one for one in values if one is not None]
    if len(known) < 2:
        return "-"
    half = t.ppf(0.975, len(known) - 1) * np.std(known, ddof=1) / np.sqrt(len(known))
    return f"{np.mean(known):.{digits}f} ± {half:.{digits}f}"
