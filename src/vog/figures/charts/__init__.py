"""Charts as Altair definitions: one definition serves PNG, SVG, notebook and page."""

from vog.figures.charts.class_quantiles_chart import class_band as class_band
from vog.figures.charts.class_quantiles_chart import class_spread_chart as class_spread_chart
from vog.figures.charts.correlation_chart import comparison as comparison
from vog.figures.charts.correlation_chart import correlation_chart as correlation_chart
from vog.figures.charts.data_map_chart import data_map_chart as data_map_chart
from vog.figures.charts.detection_chart import detection as detection
from vog.figures.charts.ensemble_size_chart import ensemble_size_chart as ensemble_size_chart
from vog.figures.charts.error_by_rank_chart import error_by_decile as error_by_decile
from vog.figures.charts.in_notebooks import ChartsByName as ChartsByName
from vog.figures.charts.margins_chart import margins as margins
from vog.figures.charts.stage_shift_chart import stage_shift_chart as stage_shift_chart
from vog.figures.charts.theme import FORMATS as FORMATS
from vog.figures.charts.theme import Chart as Chart
from vog.figures.charts.theme import alt as alt
from vog.figures.charts.theme import chart_svg as chart_svg
from vog.figures.charts.theme import format_of as format_of
from vog.figures.charts.theme import save_chart as save_chart
from vog.figures.charts.theme import styled as styled
from vog.figures.charts.toy_chart import decision_regions as decision_regions
from vog.figures.charts.toy_chart import vog_against_distance as vog_against_distance
from vog.figures.charts.trajectory_chart import trajectory_chart as trajectory_chart
