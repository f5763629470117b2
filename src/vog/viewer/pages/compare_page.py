"""Two columns side by side: whether they agree, and where they do not."""

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from vog.errors import ResultError, unknown
from vog.result.derived_columns import DERIVED
from vog.viewer.context import Site
from vog.viewer.pages.image_responses import svg_response

if TYPE_CHECKING:
    from vog.analysis.one_run.column_pair import TwoColumns


def compare_page(site: Site, request: Request) -> Response:
    """Their ranks against each other, and the examples that they disagree about most."""
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
        found=comparison,
        columns=_score_columns(site),
        first=site.tiles(request, [rows[index] for index in comparison.first_alone], (x, y)),
        second=site.tiles(request, [rows[index] for index in comparison.second_alone], (x, y)),
    )


def chart(site: Site, request: Request) -> Response:
    """The chart of that page."""
    from vog.figures import charts

    x, y = _requested_columns(site, request)
    comparison = _comparison(site, x, y)
    return svg_response(charts.comparison(comparison.density, x, y, comparison.spearman))


def _requested_columns(site: Site, request: Request) -> tuple[str, str]:
    """The two columns; by default the usual one and what it should be told apart from.

    Raises:
        ResultError: they are no score columns.
    """
    score_columns = _score_columns(site)
    usual = site.run.default_column
    gradient_norm = f"grad_norm@{site.row_pages.stage(usual)}"
    second = (
        gradient_norm
        if gradient_norm in score_columns
        else next((column for column in score_columns if column != usual), usual)
    )
    requested = request.query_params.get("x") or usual, request.query_params.get("y") or second
    for name in requested:
        if name not in score_columns:
            raise ResultError(f"{name!r} is no score.{unknown(name, site.run.ranked_columns)}")
    return requested


def _score_columns(site: Site) -> list[str]:
    """All score columns, stored and derived, and the views of a combined run."""
    run = site.run
    scores = [
        f"{stored}{derived}"
        for stored in run.score_columns
        for derived in ("", *(f":{view}" for view in DERIVED))
    ]
    return [*scores, *(name for name in run.ranked_columns if name not in run.score_columns)]


def _comparison(site: Site, x: str, y: str) -> "TwoColumns":
    from vog.analysis.one_run.column_pair import two_columns

    comparison = site.comparisons.get((x, y))
    if comparison is None:
        comparison = two_columns(site.run, x, y)
        site.remember(site.comparisons, (x, y), comparison)
    return comparison
