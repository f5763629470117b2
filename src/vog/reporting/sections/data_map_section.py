"""The section with the data map: confidence and variability over all checkpoints."""

from pathlib import Path

from vog.analysis.one_run.data_map import data_map
from vog.figures import charts
from vog.reporting.section import Section, or_missing

DATA_MAP = Section(
    id="map",
    link="Map",
    title="The data map",
    find=or_missing(lambda reported: data_map(reported.run)),
    template=Path(__file__).with_suffix(".html"),
    charts=lambda result: {"data_map": charts.data_map_chart(result)},
)
