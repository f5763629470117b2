"""The section with likely label errors."""

from pathlib import Path

from vog.analysis.label_errors.suspect_list import LikelyErrors, Suspect, likely_label_errors
from vog.reporting.section import Pictures, Section, SelectedRow, or_missing

_SUSPECTS = 28


def _suspicious_examples(errors: LikelyErrors) -> Pictures:
    rows = [
        SelectedRow(example.index, _why_suspicious(example, errors.scores[0]))
        for example in errors.suspects
    ]
    return Pictures({"suspects": rows})


def _why_suspicious(suspect: Suspect, first: str) -> tuple[str, ...]:
    more = " and others" if "all classes" not in first else ""
    reason = f"{suspect.hardness:.1%} by {first}{more}"
    if suspect.probability is not None:
        reason = f"wrong with {suspect.probability:.0%}"
    return (reason,) if suspect.vog is None else (reason, f"{suspect.vog:.0%} by vog")


LABELS = Section(
    id="labels",
    link="Labels",
    title="Likely label errors",
    find=or_missing(lambda reported: likely_label_errors(reported.run, _SUSPECTS, reported.stage)),
    template=Path(__file__).with_suffix(".html"),
    pictures=_suspicious_examples,
)
