"""The page of one example: its data, its ranks, and its values at every checkpoint."""

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
    """Return the page of one example, with its neighbours in the view."""
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
        before=[tiles[i] for i in before if i in tiles],
        after=[tiles[i] for i in after if i in tiles],
        places=site.lookup.places(row),
        means=_run_means(site, row),
        form=filter_form(site, view),
        mark=site.review.marks().get(row["id"]),
        inspected=site.inspected_examples.get(row["index"]),
    )


def inspect(site: Site, request: Request, fields: dict[str, str]) -> Response:
    """Compute the values of an example at every checkpoint, and go back to its page.

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
    """Return the row number in an address, and the id of the row.

    Raises:
        HTTPException: 404, there is no such row.
    """
    is_number = text.isascii() and text.isdecimal() and len(text) < 19
    id = site.lookup.id_of(int(text)) if is_number else None
    if id is None:
        raise HTTPException(404)
    return int(text), id


def next_example(site: Site, index: int, query: str) -> int:
    """Return the row after this one in a view; the same row if it is the last."""
    view = view_query.read_view(site.run, dict(parse_qsl(query)))
    after = _neighbours(site, index, view)[1]
    return after[0] if after else index


def _run_means(site: Site, row: Row) -> dict[str, dict[str, tuple[float | None, float | None]]]:
    """Return the mean over runs and its standard error, by view and stage of a combined run."""
    means: dict[str, dict[str, tuple[float | None, float | None]]] = {}
    for column, error in view_query.standard_errors(site.run).items():
        view, _, stage = column.partition("@")
        means.setdefault(view, {})[stage] = row[column], row[error]
    return means


def _neighbours(site: Site, index: int, view: View) -> tuple[Any, Any]:
    where = view.row_filter(marked_ids(site, view))
    return site.row_pages.neighbours(index, view.row_order, where, _NEIGHBOURS)
