"""Charts as Altair definitions: one definition serves PNG, SVG, notebook and page."""

from vog.figures.charts.agreement import agreement as agreement
from vog.figures.charts.agreement import comparison as comparison
from vog.figures.charts.classes import class_band as class_band
from vog.figures.charts.classes import class_spread as class_spread
from vog.figures.charts.course import course as course
from vog.figures.charts.datamap import data_map as data_map
from vog.figures.charts.deciles import error_by_decile as error_by_decile
from vog.figures.charts.detection import detection as detection
from vog.figures.charts.look import FORMATS as FORMATS
from vog.figures.charts.look import Chart as Chart
from vog.figures.charts.look import alt as alt
from vog.figures.charts.look import format_of as format_of
from vog.figures.charts.look import save as save
from vog.figures.charts.look import styled as styled
from vog.figures.charts.look import svg as svg
from vog.figures.charts.margins import margins as margins
from vog.figures.charts.seeds import seeds_curve as seeds_curve
from vog.figures.charts.toy import decision_regions as decision_regions
from vog.figures.charts.toy import vog_against_distance as vog_against_distance
from vog.figures.charts.trajectory import trajectory as trajectory
