"""The gallery: some of the rows in an order, as tiles that can be opened and marked."""

from starlette.requests import Request
from starlette.responses import Response

from vog.result.derived_columns import DERIVED
from vog.viewer import view_query
from vog.viewer.context import Site
from vog.viewer.view_query import View

EACH = 48
COMPARED = {
    "": "as it is",
    "class": "within the class",
    "robust": "within the class, by median",
    "rank": "as a rank from 0 to 1",
}
assert COMPARED.keys() - {""} == DERIVED.keys()


def gallery(site: Site, request: Request) -> Response:
    """The rows that the address asks for."""
    view = site.view(request)
    found = site.browser.page(
        view.sorted_by,
        view.filter(marked_ids(site, view)),
        (view.page - 1) * EACH,
        EACH,
        [view.also] if view.also else [],
    )
    pages = max(1, -(-found.total // EACH))
    shown = [view.by, *([view.also] if view.also else [])]
    return site.page(
        "gallery.html",
        request,
        view=view,
        form=form(site, view),
        tiles=site.tiles(request, found.rows, shown),
        total=found.total,
        pages=pages,
        first=(view.page - 1) * EACH + 1,
        query=view.address(site.run),
        filtered=view.filtered,
    )


def classes(site: Site, request: Request) -> Response:
    """The classes: how many rows, how often wrong, and the mean of the score."""
    from vog.analysis.one_run.score_columns import raw_column

    view = site.view(request)
    is_score = site.run.stored_column(view.by) in site.run.ranked_columns
    stored = raw_column(site.run, view.by if is_score else site.run.default_column)
    found = site.lookup.classes(stored)
    hard_first = sorted(
        found,
        key=lambda one: (one.mean is None, (one.mean or 0) * (-1) ** site.run.hard_is_high(stored)),
    )
    return site.page(
        "classes.html",
        request,
        view=view,
        score=stored,
        found=hard_first,
    )


def form(site: Site, view: View) -> dict[str, object]:
    """What the form of the filters offers, and what is chosen in it."""
    run = site.run
    stored, _, compared = view.by.partition(":")
    is_score = stored in run.ranked_columns
    score, _, stage = stored.partition("@") if is_score else (stored, "", "all")
    scores, ranked = (
        list(dict.fromkeys(one.partition("@")[0] for one in columns))
        for columns in (run.score_columns, run.ranked_columns)
    )
    return {
        "scores": scores,
        "views": [one for one in ranked if one not in scores],
        "others": [one for one in view_query.columns(run) if one not in run.ranked_columns],
        "beside": [*run.ranked_columns, *view_query.standard_errors(run).values()],
        "score": score,
        "stages": run.stages,
        "stage": stage,
        "compared": COMPARED,
        "as": compared,
        "is_score": is_score,
        "marked": view_query.MARKED,
        "ends": ends(site, view.by),
        "orders": _orders(site, view),
    }


def ends(site: Site, by: str) -> dict[str, str]:
    """What both orders are called, the usual one first."""
    is_score = site.run.stored_column(by) in site.run.ranked_columns
    said = ("hardest first", "easiest first") if is_score else ("smallest first", "largest first")
    return dict(zip(view_query.orders(site.run, by), said, strict=True))


def _orders(site: Site, view: View) -> list[tuple[str, str, bool]]:
    """Of both orders the word of the form, what it is called, and whether it is chosen."""
    both = ends(site, view.by).items()
    return [
        (word, said, order == view.order)
        for word, (order, said) in zip(("hard", "easy"), both, strict=True)
    ]


def marked_ids(site: Site, view: View) -> tuple[str, ...] | None:
    """The ids with the mark that a view asks for; None where it asks for no mark."""
    if not view.marked:
        return None
    every = view.marked in ("any", "none")
    marks = site.review.marks().values()
    return tuple(one.id for one in marks if every or one.verdict == view.marked)
