"""The whole of what `test_hostile_requests.py` has a sample of: 3,000 requests."""

from pathlib import Path

import pytest

import hostile_requests
from hostile_requests import Hostile, ask, drawn, refuse_a_bad_answer

_BLOCKS, _EACH = 6, 500


@pytest.mark.parametrize("block", range(_BLOCKS))
def test_no_request_breaks_the_viewer(tmp_path: Path, block: int) -> None:
    app, run = hostile_requests.viewer(tmp_path)
    before = {path.name: path.read_bytes() for path in run.part_files}
    for hostile in drawn(seed=100 + block, count=_EACH):
        refuse_a_bad_answer(hostile, ask(app, hostile))
    assert {path.name: path.read_bytes() for path in run.part_files} == before
    host = ((b"host", b"127.0.0.1:8765"),)
    assert ask(app, Hostile("GET", "/review.csv", b"", host, b"")).status == 200
