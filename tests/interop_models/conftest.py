"""The table of architectures, written where `--table FILE` names it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from comparison import CHECKPOINTS, EXAMPLES, TOLERANCE, Comparison

HEAD = f"""# Architectures

`make interop-models` scores models of other libraries with random weights under {CHECKPOINTS}
checkpoints, {EXAMPLES} examples each, by every score that they have, and compares with the plain
way: `load_state_dict` into a module built anew, `eval()`, forward, `backward`, one checkpoint after
the other, and the scores from their definitions. It fails where a score differs by more than
{TOLERANCE:.0e} of the largest value of its column. A row has the worst difference and its score,
how many examples were compared, and how the run was computed where that is not the usual way; or
the first line of the message where the run is refused. An example is left out where the plain way
itself has no one answer: a ReLU met at zero falls to either side by rounding, so that its scores
move by more than 2e-5 where its input moves by some millionths.

| library | architecture | scores, worst difference | examples | notes |
|---|---|---|---|---|
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the name of the table."""
    parser.addoption("--table", type=Path, help="where the table of architectures is written")


@pytest.fixture(scope="session")
def rows(request: pytest.FixtureRequest) -> Iterator[list[Comparison]]:
    """What came of each architecture; all of them together are the table."""
    compared: list[Comparison] = []
    yield compared
    path = request.config.getoption("--table")
    if path is not None:
        path.write_text(HEAD + "".join(f"{one.row}\n" for one in compared), encoding="utf-8")
