"""The page that compares two columns: their agreement, and the examples they disagree on."""

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from vog.errors import ResultError, unknown
from vog.result.derived_columns import DERIVED
from vog.viewer.context import Site
from vog.viewer.pages.image_responses import svg_response

if TYPE_CHECKING:
    from vog.analysis.one_run.column_pair import ColumnComparison


def compare_page(site: Site, request: Request) -> Response:
    """Return the page with the chart of two columns and the examples they disagree on most."""
    x, y = _requested_columns(site, request)
    comparison = _comparison(site, x, y)
    rows = {
        row["index"]: row
        for row in site.row_pages.rows(
            [*comparison.first_alone, *comparison.second_alone], site.row_pages.stage(x), [x, y]
        )
    }
    return site.page(
        "compare.html",
        request,
        x=x,
        y=y,
        comparison=comparison,
        columns=_score_columns(site),
        first=site.tiles(request, [rows[index] for index in comparison.first_alone], (x, y)),
        second=site.tiles(request, [rows[index] for index in comparison.second_alone], (x, y)),
    )


def chart(site: Site, request: Request) -> Response:
    """Return the chart of that page."""
    from vog.figures import charts

    x, y = _requested_columns(site, request)
    comparison = _comparison(site, x, y)
    return svg_response(charts.comparison(comparison.density, x, y, comparison.spearman))


def _requested_columns(site: Site, request: Request) -> tuple[str, str]:
    """Return the two columns; by default the default column and the gradient norm.

    Raises:
        ResultError: one of them is no score column.
    """
    names = _score_columns(site)
    usual = site.run.default_column
    norm = f"grad_norm@{site.row_pages.stage(usual)}"
    second = norm if norm in names else next((column for column in names if column != usual), usual)
    requested = request.query_params.get("x") or usual, request.query_params.get("y") or second
    for name in requested:
        if name not in names:
            raise ResultError(f"{name!r} is no score.{unknown(name, site.run.ranked_columns)}")
    return requested


def _score_columns(site: Site) -> list[str]:
    """Return all score columns, stored and derived, and the views of a combined run."""
    run = site.run
    scores = [
        f"{stored}{derived}"
        for stored in run.score_columns
        for derived in ("", *(f":{view}" for view in DERIVED))
    ]
    return [*scores, *(name for name in run.ranked_columns if name not in run.score_columns)]


def _comparison(site: Site, x: str, y: str) -> "ColumnComparison":
    from vog.analysis.one_run.column_pair import compare_columns

    comparison = site.comparisons.get((x, y))
    if comparison is None:
        comparison = compare_columns(site.run, x, y)
        site.remember(site.comparisons, (x, y), comparison)
    return comparison
