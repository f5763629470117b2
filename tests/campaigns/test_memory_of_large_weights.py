"""Memory does not grow with the number of checkpoints that are read again for each block."""

import sys
from pathlib import Path

import pytest

from peak_memory import peak_megabytes


@pytest.mark.skipif(sys.platform == "win32", reason="resource is of Unix")
def test_peak_over_checkpoints_that_do_not_fit(tmp_path: Path) -> None:
    """4.3 MB of weights each, 60 MB to be taken: the heap must not fall to pieces over them."""
    few, many = (peak_megabytes(2_000, k, tmp_path / str(k), "60MB") for k in (20, 60))
    assert many - few < 48, f"{few:.0f} MB with 20 checkpoints, {many:.0f} MB with 60"
