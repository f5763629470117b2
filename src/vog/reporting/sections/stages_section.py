"""The section on how the ranking changes from the first stage to the last."""

from pathlib import Path

from vog.analysis.one_run.stage_shift import StageShift, stage_shift
from vog.figures import charts
from vog.reporting.section import Pictures, Section, SelectedRow, or_missing

_GROUP_TILES = 9


def _group_examples(shift: StageShift) -> Pictures:
    return Pictures(
        {
            group.name: [SelectedRow(row) for row in group.rows[:_GROUP_TILES]]
            for group in shift.groups
        }
    )


STAGES = Section(
    id="stages",
    link="Stages",
    title="How the stages differ",
    find=or_missing(lambda reported: stage_shift(reported.run, reported.score)),
    template=Path(__file__).with_suffix(".html"),
    charts=lambda shift: {"stages": charts.stage_shift_chart(shift)},
    pictures=_group_examples,
)
