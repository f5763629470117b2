"""The page of one example: what it is, where it stands, and what every checkpoint says of it."""

from typing import Any
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from vog.pages import target_words
from vog.result.sql import Row
from vog.viewer import view_query
from vog.viewer.context import Site, redirect
from vog.viewer.pages.gallery_page import filter_form, marked_ids
from vog.viewer.view_query import View

_NEIGHBOURS = 4


def example(site: Site, request: Request) -> Response:
    """Everything that is known of one example, and its neighbours in the view."""
    view = site.view(request)
    index, _ = row_in_path(site, request.path_params["index"])
    row = site.lookup.example(index)
    assert row is not None, "it has an id"
    before, after = _neighbours(site, row["index"], view)
    neighbours = site.row_pages.rows([*before, *after], site.row_pages.stage(view.by), [view.by])
    tiles = {tile.index: tile for tile in site.tiles(request, neighbours)}
    preview = site.preview(row["index"], row["id"])
    return site.page(
        "example.html",
        request,
        view=view,
        query=view.address(site.run),
        row=row,
        tile=site.tiles(request, [row | {"prediction": row.get("prediction@all")}])[0],
        preview=preview,
        target=target_words(site.run),
        before=[tiles[tile] for tile in before if tile in tiles],
        after=[tiles[tile] for tile in after if tile in tiles],
        places=site.lookup.places(row),
        means=_run_means(site, row),
        form=filter_form(site, view),
        mark=site.review.marks().get(row["id"]),
        seen=site.inspected_examples.get(row["index"]),
    )


def inspect(site: Site, request: Request, fields: dict[str, str]) -> Response:
    """Compute what every checkpoint says of an example, and show it.

    Raises:
        VogError: it cannot be computed.
    """
    index, _ = row_in_path(site, request.path_params["index"])
    query = site.address(fields.get("back", ""))
    if site.inspection is None or site.inspection.missing is not None:
        raise HTTPException(404)
    site.remember(site.inspected_examples, index, site.inspection.inspect(index))
    return redirect(request, f"example/{index}", query, "checkpoints")


def row_in_path(site: Site, text: str) -> tuple[int, str]:
    """The row that an address names by its number, and its id.

    Raises:
        HTTPException: 404, there is none.
    """
    is_number = text.isascii() and text.isdecimal() and len(text) < 19
    id = site.lookup.id_of(int(text)) if is_number else None
    if id is None:
        raise HTTPException(404)
    return int(text), id


def next_example(site: Site, index: int, query: str) -> int:
    """The example after this one in a view; itself where it is the last."""
    view = view_query.read_view(site.run, dict(parse_qsl(query)))
    after = _neighbours(site, index, view)[1]
    return after[0] if after else index


def _run_means(site: Site, row: Row) -> dict[str, dict[str, tuple[float | None, float | None]]]:
    """Of a combined run by view and stage, the mean over the runs and its standard error."""
    means: dict[str, dict[str, tuple[float | None, float | None]]] = {}
    for column, error in view_query.standard_errors(site.run).items():
        view, _, stage = column.partition("@")
        means.setdefault(view, {})[stage] = row[column], row[error]
    return means


def _neighbours(site: Site, index: int, view: View) -> tuple[Any, Any]:
    where = view.row_filter(marked_ids(site, view))
    return site.row_pages.neighbours(index, view.row_order, where, _NEIGHBOURS)
