"""The gallery: some of the rows in an order, as tiles that can be opened and marked."""

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
    """The rows that the address asks for."""
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
    """The classes: how many rows, how often wrong, and the mean of the score."""
    from vog.analysis.one_run.score_columns import raw_column

    view = site.view(request)
    is_score = site.run.stored_column(view.by) in site.run.ranked_columns
    stored = raw_column(site.run, view.by if is_score else site.run.default_column)
    summaries = site.lookup.classes(stored)
    hard_first = sorted(
        summaries,
        key=lambda summary: (
            summary.mean is None,
            (summary.mean or 0) * (-1) ** site.run.hard_is_high(stored),
        ),
    )
    return site.page(
        "classes.html",
        request,
        view=view,
        score=stored,
        found=hard_first,
    )


def filter_form(site: Site, view: View) -> dict[str, object]:
    """What the form of the filters offers, and what is chosen in it."""
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
        "others": [
            column for column in view_query.columns(run) if column not in run.ranked_columns
        ],
        "beside": [*run.ranked_columns, *view_query.standard_errors(run).values()],
        "score": score,
        "stages": run.stages,
        "stage": stage,
        "compared": COMPARISONS,
        "as": compared,
        "is_score": is_score,
        "marked": view_query.MARKED,
        "ends": order_names(site, view.by),
        "orders": _order_choices(site, view),
    }


def order_names(site: Site, by: str) -> dict[str, str]:
    """What both orders are called, the usual one first."""
    is_score = site.run.stored_column(by) in site.run.ranked_columns
    names = ("hardest first", "easiest first") if is_score else ("smallest first", "largest first")
    return dict(zip(view_query.orders(site.run, by), names, strict=True))


def _order_choices(site: Site, view: View) -> list[tuple[str, str, bool]]:
    """Of both orders the word of the form, what it is called, and whether it is chosen."""
    names_by_order = order_names(site, view.by).items()
    return [
        (word, name, order == view.order)
        for word, (order, name) in zip(("hard", "easy"), names_by_order, strict=True)
    ]


def marked_ids(site: Site, view: View) -> tuple[str, ...] | None:
    """The ids with the mark that a view asks for; None where it asks for no mark."""
    if not view.marked:
        return None
    every = view.marked in ("any", "none")
    marks = site.review.marks().values()
    return tuple(mark.id for mark in marks if every or mark.verdict == view.marked)
