"""A sample of the campaign of hostile requests: none breaks the viewer, or leads away from it."""

from pathlib import Path

import pytest

import hostile_requests
from hostile_requests import Hostile, ask, drawn, refuse_a_bad_answer


@pytest.mark.slow
def test_no_request_breaks_the_viewer(tmp_path: Path) -> None:
    app, run = hostile_requests.viewer(tmp_path)
    before = {path.name: path.read_bytes() for path in run.part_files}
    statuses = set[int]()
    for hostile in drawn(seed=1, count=500):
        answer = ask(app, hostile)
        refuse_a_bad_answer(hostile, answer)
        statuses.add(answer.status)
    assert {200, 303, 400, 403, 404, 405, 421} <= statuses, "the sample reaches every kind"
    assert {path.name: path.read_bytes() for path in run.part_files} == before
    host = ((b"host", b"127.0.0.1:8765"),)
    assert ask(app, Hostile("GET", "/", b"", host, b"")).status == 200, "it works afterwards"
    assert ask(app, Hostile("GET", "/review", b"", host, b"")).status == 200
