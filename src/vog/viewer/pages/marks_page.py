"""Marks: made and taken back by forms, listed, and taken elsewhere as a table or a list."""

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from vog.errors import ResultError
from vog.files.writing import as_csv
from vog.result.marks import Mark
from vog.viewer import view_query
from vog.viewer.context import Site, to
from vog.viewer.pages.example_page import next_in, row_in_address


def mark(site: Site, request: Request, fields: dict[str, str]) -> Response:
    """Decide about an example, and go on: from its own page to the next, else stay."""
    index, id = row_in_address(site, fields.get("index", ""))
    query = site.address(fields.get("back", ""))
    before = site.review.marks().get(id)
    verdict = fields.get("verdict", before.verdict if before else None) or None
    note = fields.get("note", before.note if before else "").strip()
    chosen = fields.get("label", "").strip()
    kept = before.label if before and "verdict" not in fields else None
    label = view_query.class_number(site.run, chosen) if chosen else kept
    if label is not None and label not in site.names:
        raise ResultError(f"there is no class {label}.")
    site.review.mark(id, verdict, label, note)
    if fields.get("from") != "example":
        return to(request, "", query, f"e{index}")
    here = index if "verdict" not in fields else next_in(site, index, query)
    return to(request, f"example/{here}", query)


def undo(site: Site, request: Request, fields: dict[str, str]) -> Response:
    """Take back the latest decision, and show the example it was about."""
    query = site.address(fields.get("back", ""))
    undone = site.review.undo()
    if fields.get("from") == "review":
        return to(request, "review")
    index = None if undone is None else site.lookup.index_of(undone.id)
    if fields.get("from") == "example" and index is not None:
        return to(request, f"example/{index}", query)
    return to(request, "", query, "" if index is None else f"e{index}")


def review(site: Site, request: Request) -> Response:
    """The marks, the latest first."""
    marks = list(reversed(site.review.marks().values()))
    shown = marks[:500]
    places = site.lookup.indices_of([one.id for one in shown])
    return site.page("review.html", request, listed=shown, places=places, count=len(marks))


def as_table(site: Site, request: Request) -> Response:
    """The marks as csv; `?safe=1` is for a spreadsheet, which would run some texts as formulas."""
    rows = [_row(site, one) for one in site.review.marks().values()]
    header = list(_row(site, Mark(0, "", "", None, None, "")))
    text = as_csv(rows, header, safe_csv=request.query_params.get("safe") == "1")
    return Response(text, media_type="text/csv; charset=utf-8", headers=_saved_as("review.csv"))


def as_list(site: Site, request: Request) -> Response:
    """The data after the review: `id label` lines without what is dropped, and with new labels."""
    marks = site.review.marks()
    if site.run.missing_rows:
        raise ResultError(
            f"{site.run.missing_rows:,} rows are not scored yet, and the list would lack them."
        )

    odd = site.lookup.id_with_line_break()
    if odd is not None:
        raise ResultError(f"the id {odd!r} has a line break, which no list of lines can hold.")

    def line(id: str, label: int | None) -> str:
        one = marks.get(id)
        if one is not None and one.verdict == "drop":
            return ""
        right = one.label if one is not None and one.verdict == "relabel" else label
        return f"{id}\n" if right is None else f"{id} {right}\n"

    # Some thousand lines at a time: each piece goes through a thread of its own.
    pieces = ("".join(line(*row) for row in some) for some in site.lookup.ids_and_labels())
    return StreamingResponse(
        pieces, media_type="text/plain; charset=utf-8", headers=_saved_as("review.txt")
    )


def _row(site: Site, one: Mark) -> dict[str, object]:
    return {
        "id": one.id,
        "verdict": one.verdict or "",
        "label": "" if one.label is None else one.label,
        "label_name": site.class_name(one.label) or "",
        "note": one.note,
        "at": one.at,
    }


def _saved_as(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
