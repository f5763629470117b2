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
    x, y = _asked(site, request)
    found = _compared(site, x, y)
    rows = {
        row["index"]: row
        for row in site.browser.rows(
            [*found.first_alone, *found.second_alone], site.browser.stage(x), [x, y]
        )
    }
    return site.page(
        "compare.html",
        request,
        x=x,
        y=y,
        found=found,
        columns=_columns(site),
        first=site.tiles(request, [rows[one] for one in found.first_alone], (x, y)),
        second=site.tiles(request, [rows[one] for one in found.second_alone], (x, y)),
    )


def chart(site: Site, request: Request) -> Response:
    """The chart of that page."""
    from vog.figures import charts

    x, y = _asked(site, request)
    found = _compared(site, x, y)
    return svg_response(charts.comparison(found.density, x, y, found.spearman))


def _asked(site: Site, request: Request) -> tuple[str, str]:
    """The two columns; by default the usual one and what it should be told apart from.

    Raises:
        ResultError: they are no score columns.
    """
    known = _columns(site)
    usual = site.run.default_column
    rival = f"grad_norm@{site.browser.stage(usual)}"
    other = rival if rival in known else next((one for one in known if one != usual), usual)
    asked = request.query_params.get("x") or usual, request.query_params.get("y") or other
    for name in asked:
        if name not in known:
            raise ResultError(f"{name!r} is no score.{unknown(name, site.run.ranked_columns)}")
    return asked


def _columns(site: Site) -> list[str]:
    """All score columns, stored and derived, and the views of a combined run."""
    run = site.run
    scores = [
        f"{stored}{derived}"
        for stored in run.score_columns
        for derived in ("", *(f":{one}" for one in DERIVED))
    ]
    return [*scores, *(name for name in run.ranked_columns if name not in run.score_columns)]


def _compared(site: Site, x: str, y: str) -> "TwoColumns":
    from vog.analysis.one_run.column_pair import two_columns

    found = site.compared.get((x, y))
    if found is None:
        found = two_columns(site.run, x, y)
        site.keep(site.compared, (x, y), found)
    return found
