"""Memory does not grow with the data or with the number of checkpoints.

Weights that do not fit are in `campaigns`.
"""

import sys
from pathlib import Path

import pytest

from peak_memory import peak_megabytes


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="resource is of Unix")
def test_peak_over_rows(tmp_path: Path) -> None:
    """200,000 rows against 2,000; the rows themselves, 16 MB of floats, are in it."""
    few, many = (peak_megabytes(rows, 3, tmp_path / str(rows)) for rows in (2_000, 200_000))
    assert many - few < 64, f"{few:.0f} MB with 2,000 rows, {many:.0f} MB with 200,000"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="resource is of Unix")
def test_peak_over_checkpoints(tmp_path: Path) -> None:
    """The weights of this network are 3 kB; everything else must not depend on their number."""
    few, many = (peak_megabytes(4_000, k, tmp_path / str(k)) for k in (3, 60))
    assert many - few < 16, f"{few:.0f} MB with 3 checkpoints, {many:.0f} MB with 60"
