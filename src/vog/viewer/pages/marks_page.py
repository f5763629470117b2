"""Marks: forms that set and undo them, a page that lists them, and downloads."""

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from vog.errors import ResultError
from vog.files.writing import as_csv
from vog.result.marks import Mark
from vog.viewer import view_query
from vog.viewer.context import Site, redirect
from vog.viewer.pages.example_page import next_example, row_in_path
from vog.wording import same_again


def mark(site: Site, request: Request, fields: dict[str, str]) -> Response:
    """Mark an example, and go to the next one if the form is on the page of an example."""
    index, id = row_in_path(site, fields.get("index", ""))
    query = site.address(fields.get("back", ""))
    old_mark = site.review.marks().get(id)
    verdict = fields.get("verdict", old_mark.verdict if old_mark else None) or None
    note = fields.get("note", old_mark.note if old_mark else "").strip()
    class_text = fields.get("label", "").strip()
    old_label = old_mark.label if old_mark and "verdict" not in fields else None
    label = view_query.class_number(site.run, class_text) if class_text else old_label
    if label is not None and label not in site.names:
        raise ResultError(f"there is no class {label}.")
    site.review.mark(id, verdict, label, note)
    if fields.get("from") != "example":
        return redirect(request, "", query, f"e{index}")
    next_index = index if "verdict" not in fields else next_example(site, index, query)
    return redirect(request, f"example/{next_index}", query)


def undo(site: Site, request: Request, fields: dict[str, str]) -> Response:
    """Undo the latest mark, and show its example."""
    query = site.address(fields.get("back", ""))
    undone = site.review.undo()
    if fields.get("from") == "review":
        return redirect(request, "review")
    index = None if undone is None else site.lookup.index_of(undone.id)
    if fields.get("from") == "example" and index is not None:
        return redirect(request, f"example/{index}", query)
    return redirect(request, "", query, "" if index is None else f"e{index}")


def review(site: Site, request: Request) -> Response:
    """Return the page of the marks, the latest first."""
    marks = list(reversed(site.review.marks().values()))
    listed = marks[:500]
    places = site.lookup.indices_of([mark.id for mark in listed])
    return site.page("review.html", request, listed=listed, places=places, count=len(marks))


def as_table(site: Site, request: Request) -> Response:
    """Return the marks as csv; with `?safe=1` no spreadsheet runs a text as a formula."""
    rows = [_table_row(site, mark) for mark in site.review.marks().values()]
    header = list(_table_row(site, Mark(0, "", "", None, None, "")))
    text = as_csv(rows, header, safe_csv=request.query_params.get("safe") == "1")
    return Response(text, media_type="text/csv; charset=utf-8", headers=_download("review.csv"))


def as_list(site: Site, request: Request) -> Response:
    """Return `id label` lines of the data after the review: without dropped rows, relabelled."""
    marks = site.review.marks()
    if site.run.missing_rows:
        raise ResultError(
            f"{site.run.missing_rows:,} rows are not scored yet, and the list would lack them. "
            f"{same_again('score')} to continue."
        )

    bad_id = site.lookup.id_with_line_break()
    if bad_id is not None:
        raise ResultError(f"the id {bad_id!r} has a line break, which a list of lines cannot hold.")

    def line(id: str, label: int | None) -> str:
        mark = marks.get(id)
        if mark is not None and mark.verdict == "drop":
            return ""
        right = mark.label if mark is not None and mark.verdict == "relabel" else label
        return f"{id}\n" if right is None else f"{id} {right}\n"

    # A few thousand lines at a time, because each piece is read in a thread.
    pieces = ("".join(line(*row) for row in rows) for rows in site.lookup.ids_and_labels())
    return StreamingResponse(
        pieces, media_type="text/plain; charset=utf-8", headers=_download("review.txt")
    )


def _table_row(site: Site, mark: Mark) -> dict[str, object]:
    return {
        "id": mark.id,
        "verdict": mark.verdict or "",
        "label": "" if mark.label is None else mark.label,
        "label_name": site.class_name(mark.label) or "",
        "note": mark.note,
        "at": mark.at,
    }


def _download(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
