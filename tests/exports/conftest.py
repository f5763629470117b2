"""What exports are told of labels: a verdict by hand, or that of `vog` itself."""

import pytest

from four_rows import VERDICT
from vog.analysis.label_errors.suspects import verdict_or_why
from vog.analysis.label_errors.verdict import Verdict

JUDGE = "vog.exports.judged_labels.verdict_or_why"


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Verdict]:
    """What is said of the labels of `four_rows`; a test may put another verdict there."""
    said = [VERDICT]
    monkeypatch.setattr(JUDGE, lambda run, planted=None: (said[0], None))
    return said


@pytest.fixture
def actual(judged: list[Verdict], monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict of `vog` itself, for other rows than those by hand."""
    monkeypatch.setattr(JUDGE, verdict_or_why)
