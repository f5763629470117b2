"""The section on what each score column means."""

from pathlib import Path

from vog.reporting.section import ReportedRun, Section, column_metadata


def _score_meanings(reported: ReportedRun) -> list[dict[str, str]]:
    """Return one row for each score, whose meaning is the same at every stage."""
    meanings: dict[str, dict[str, str]] = {}
    for name in reported.run.score_columns:
        score, _, stage = name.partition("@")
        if score in meanings:
            meanings[score]["stages"] += f", {stage}"
        else:
            metadata = column_metadata(reported.run, name)
            meanings[score] = {**metadata, "score": score, "stages": stage}
    return list(meanings.values())


COLUMNS = Section(
    id="columns",
    link="Columns",
    title="What each column means",
    find=_score_meanings,
    template=Path(__file__).with_suffix(".html"),
)
