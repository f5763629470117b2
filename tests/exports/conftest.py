"""What exports are told of labels: a verdict by hand, or that of `vog` itself."""

import pytest

from four_rows import VERDICT
from vog.analysis.label_errors.suspects import require_verdict, suspects, verdict_or_why
from vog.analysis.label_errors.verdict import Verdict


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[Verdict]:
    """What is said of the labels of `four_rows`; a test may put another verdict there."""
    said = [VERDICT]
    for name in ("cleanlab.suspects", "sample_weights.require_verdict"):
        monkeypatch.setattr(f"vog.exports.{name}", lambda run, planted=None: said[0])
    monkeypatch.setattr(
        "vog.exports.labelled_rows.verdict_or_why", lambda run, planted=None: (said[0], None)
    )
    return said


@pytest.fixture
def actual(judged: list[Verdict], monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict of `vog` itself, for other rows than those by hand."""
    monkeypatch.setattr("vog.exports.cleanlab.suspects", suspects)
    monkeypatch.setattr("vog.exports.sample_weights.require_verdict", require_verdict)
    monkeypatch.setattr("vog.exports.labelled_rows.verdict_or_why", verdict_or_why)
