"""The page of one example: what it is, where it stands, and what every checkpoint says of it."""

from typing import Any
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from vog.pages import target
from vog.result.sql import Row
from vog.viewer import view_query
from vog.viewer.context import Site, to
from vog.viewer.pages.gallery_page import form, marked_ids
from vog.viewer.view_query import View

_AROUND = 4


def example(site: Site, request: Request) -> Response:
    """Everything that is known of one example, and its neighbours in the view."""
    view = site.view(request)
    index, _ = row_in_address(site, request.path_params["index"])
    row = site.lookup.example(index)
    assert row is not None, "it has an id"
    before, after = _around(site, row["index"], view)
    neighbours = site.browser.rows([*before, *after], site.browser.stage(view.by), [view.by])
    tiles = {one.index: one for one in site.tiles(request, neighbours)}
    preview = site.preview(row["index"], row["id"])
    return site.page(
        "example.html",
        request,
        view=view,
        query=view.address(site.run),
        row=row,
        tile=site.tiles(request, [row | {"prediction": row.get("prediction@all")}])[0],
        preview=preview,
        target=target(site.run),
        before=[tiles[one] for one in before if one in tiles],
        after=[tiles[one] for one in after if one in tiles],
        places=site.lookup.places(row),
        means=_means(site, row),
        form=form(site, view),
        mark=site.review.marks().get(row["id"]),
        seen=site.inspected.get(row["index"]),
    )


def inspect(site: Site, request: Request, fields: dict[str, str]) -> Response:
    """Compute what every checkpoint says of an example, and show it.

    Raises:
        VogError: it cannot be computed.
    """
    index, _ = row_in_address(site, request.path_params["index"])
    query = site.address(fields.get("back", ""))
    if site.inspection is None or site.inspection.missing is not None:
        raise HTTPException(404)
    site.keep(site.inspected, index, site.inspection.inspect(index))
    return to(request, f"example/{index}", query, "checkpoints")


def row_in_address(site: Site, text: str) -> tuple[int, str]:
    """The row that an address names by its number, and its id.

    Raises:
        HTTPException: 404, there is none.
    """
    known = text.isascii() and text.isdecimal() and len(text) < 19
    id = site.lookup.id_of(int(text)) if known else None
    if id is None:
        raise HTTPException(404)
    return int(text), id


def next_in(site: Site, index: int, query: str) -> int:
    """The example after this one in a view; itself where it is the last."""
    view = view_query.read_view(site.run, dict(parse_qsl(query)))
    after = _around(site, index, view)[1]
    return after[0] if after else index


def _means(site: Site, row: Row) -> dict[str, dict[str, tuple[float | None, float | None]]]:
    """Of a combined run by view and stage, the mean over the runs and its standard error."""
    found: dict[str, dict[str, tuple[float | None, float | None]]] = {}
    for column, error in view_query.standard_errors(site.run).items():
        view, _, stage = column.partition("@")
        found.setdefault(view, {})[stage] = row[column], row[error]
    return found


def _around(site: Site, index: int, view: View) -> tuple[Any, Any]:
    where = view.filter(marked_ids(site, view))
    return site.browser.neighbours(index, view.sorted_by, where, _AROUND)
