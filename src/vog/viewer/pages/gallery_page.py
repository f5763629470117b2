"""The gallery: sorted and filtered rows as tiles that can be opened and marked."""

from starlette.requests import Request
from starlette.responses import Response

from vog.result.derived_columns import DERIVED
from vog.viewer import view_query
from vog.viewer.context import Site
from vog.viewer.view_query import View

PAGE_SIZE = 48
COMPARISONS = {
    "": "as it is",
    "class": "within the class",
    "robust": "within the class, by median",
    "rank": "as a rank from 0 to 1",
}
assert COMPARISONS.keys() - {""} == DERIVED.keys()


def gallery(site: Site, request: Request) -> Response:
    """Return the page with the rows of the view."""
    view = site.view(request)
    rows = site.row_pages.page(
        view.row_order,
        view.row_filter(marked_ids(site, view)),
        (view.page - 1) * PAGE_SIZE,
        PAGE_SIZE,
        [view.also] if view.also else [],
    )
    pages = max(1, -(-rows.total // PAGE_SIZE))
    columns = [view.by, *([view.also] if view.also else [])]
    return site.page(
        "gallery.html",
        request,
        view=view,
        form=filter_form(site, view),
        tiles=site.tiles(request, rows.rows, columns),
        total=rows.total,
        pages=pages,
        first=(view.page - 1) * PAGE_SIZE + 1,
        query=view.address(site.run),
        filtered=view.is_filtered,
    )


def classes(site: Site, request: Request) -> Response:
    """Return the page of the classes: number of rows, error rate, and mean of the score."""
    from vog.analysis.one_run.score_columns import raw_column

    view = site.view(request)
    is_score = site.run.stored_column(view.by) in site.run.ranked_columns
    stored = raw_column(site.run, view.by if is_score else site.run.default_column)
    summaries = site.lookup.classes(stored)
    sign = -1 if site.run.higher_is_harder(stored) else 1
    summaries.sort(key=lambda summary: (summary.mean is None, sign * (summary.mean or 0)))
    return site.page("classes.html", request, view=view, score=stored, summaries=summaries)


def filter_form(site: Site, view: View) -> dict[str, object]:
    """Return the choices of the form of filters, and its present values."""
    run = site.run
    stored, _, compared = view.by.partition(":")
    is_score = stored in run.ranked_columns
    score, _, stage = stored.partition("@") if is_score else (stored, "", "all")
    scores, ranked = (
        list(dict.fromkeys(column.partition("@")[0] for column in columns))
        for columns in (run.score_columns, run.ranked_columns)
    )
    return {
        "scores": scores,
        "views": [column for column in ranked if column not in scores],
        "unranked": [name for name in view_query.columns(run) if name not in run.ranked_columns],
        "second_columns": [*run.ranked_columns, *view_query.standard_errors(run).values()],
        "score": score,
        "stages": run.stages,
        "stage": stage,
        "comparisons": COMPARISONS,
        "as": compared,
        "is_score": is_score,
        "marked": view_query.MARKED,
        "order_names": order_names(site, view.by),
        "orders": _order_choices(site, view),
    }


def order_names(site: Site, by: str) -> dict[str, str]:
    """Return the names of both orders, the usual order first."""
    is_score = site.run.stored_column(by) in site.run.ranked_columns
    names = ("hardest first", "easiest first") if is_score else ("smallest first", "largest first")
    return dict(zip(view_query.orders(site.run, by), names, strict=True))


def _order_choices(site: Site, view: View) -> list[tuple[str, str, bool]]:
    """Return the word in the form, the name, and the selection state of both orders."""
    names_by_order = order_names(site, view.by).items()
    return [
        (word, name, order == view.order)
        for word, (order, name) in zip(("hard", "easy"), names_by_order, strict=True)
    ]


def marked_ids(site: Site, view: View) -> tuple[str, ...] | None:
    """Return the ids with the mark of a view; None if the view does not filter by mark."""
    if not view.marked:
        return None
    every = view.marked in ("any", "none")
    marks = site.review.marks().values()
    return tuple(mark.id for mark in marks if every or mark.verdict == view.marked)
