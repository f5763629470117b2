"""What all pages of the viewer need: the rows, the marks, how examples look, and the templates."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from vog import pages
from vog.analysis.one_run.label_agreement import LabelAgreement, label_agreement
from vog.errors import ResultError
from vog.figures.previews import Preview, Previewer
from vog.pages import GalleryTile
from vog.result import Run
from vog.result.marks import Review
from vog.result.row_lookup import RowLookup
from vog.result.row_pages import RowFilter, RowOrder, RowPages
from vog.result.sql import Row
from vog.viewer import view_query
from vog.viewer.inspection import InspectedExample, Inspection
from vog.viewer.request_guard import Guard
from vog.viewer.view_query import View

if TYPE_CHECKING:
    from vog.analysis.one_run.column_pair import TwoColumns

_CACHE_SIZE = 32


@dataclass
class Site:
    """One run, and how it is looked at.

    Attributes:
        preview: of a row and its id; pictures are as large as the page of one example shows them.
        inspected: by row, what was computed on demand; the latest only.
        compared: by two columns, the same.
    """

    run: Run
    row_pages: RowPages
    lookup: RowLookup
    review: Review
    guard: Guard
    preview: Previewer
    inspection: Inspection | None = None
    inspected_examples: dict[int, InspectedExample] = field(default_factory=dict)
    comparisons: dict[tuple[str, str], "TwoColumns"] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def first_preview(self) -> Preview:
        """What the first row that can be seen looks like: the others are of its kind."""
        rows = self.row_pages.page(RowOrder("index", descending=False), RowFilter(), count=20).rows
        previews = [self.preview(row["index"], row["id"]) for row in rows]
        return next((preview for preview in previews if preview.missing is None), previews[0])

    @property
    def has_pictures(self) -> bool:
        """Whether examples are shown as pictures; then each has an address of its own."""
        return self.first_preview.image is not None

    @cached_property
    def agreement(self) -> LabelAgreement | None:
        """How often the last checkpoint agrees with the labels."""
        return label_agreement(self.run)

    @cached_property
    def labels(self) -> dict[int, str]:
        """By number, the names of the classes that have rows, for people to choose from."""
        return {label: self.class_name(label) or "" for label in self.lookup.labels()}

    @cached_property
    def names(self) -> dict[int, str]:
        """By number, the names of all classes that are known, also those without rows."""
        numbers = {*range(len(self.run.label_names or [])), *self.labels, *self.lookup.predicted()}
        return {label: self.class_name(label) or "" for label in sorted(numbers)}

    def class_name(self, label: int | None) -> str | None:
        """The first name of a class, or its number."""
        return pages.class_text(self.run, label)

    def class_word(self, label: int) -> str:
        """A class as the fields of forms say it."""
        return view_query.class_word(self.run, label)

    def view(self, request: Request) -> View:
        """The view that the address of a page asks for.

        Raises:
            ResultError: it makes no sense.
        """
        return view_query.read_view(self.run, request.query_params)

    def address(self, query: str) -> str:
        """A query that a form sent back, as an address of ours or, if it is none, the usual.

        Raises:
            ResultError: it makes no sense.
        """
        try:
            parameters = parse_qsl(query, max_num_fields=50)
        except ValueError as error:
            raise ResultError(f"the view to go back to makes no sense: {error}.") from error
        return view_query.read_view(self.run, dict(parameters)).address(self.run)

    def tiles(
        self, request: Request, rows: Iterable[Row], columns: Sequence[str] = ()
    ) -> list[GalleryTile]:
        """The rows as a gallery shows them, with the values of some columns below."""
        root = relative_root(request)
        return [
            self._tile(root, row, [_fact_text(name, row[name]) for name in columns]) for row in rows
        ]

    def _tile(self, root: str, row: Row, facts: list[str]) -> GalleryTile:
        if self.has_pictures:
            small = (
                self.first_preview.image is not None and max(self.first_preview.image.size) <= 64
            )
            fields = {"picture": f"{root}picture/{row['index']}?size=240", "small": small}
        else:
            fields = {"preview": self.preview(row["index"], row["id"])}
        return pages.make_tile(self.run, row, facts=facts, **fields)

    def page(self, name: str, request: Request, status: int = 200, **context: Any) -> Response:
        """A page from its template, with what all pages show."""
        # A page that says what is wrong needs nothing that may be what is wrong.
        marks, last, agreement = {}, None, None
        if status < 400:
            marks, last, agreement = self.review.marks(), self.review.last(), self.agreement
        template = pages.environment("vog.viewer").get_template(name)
        shared = {
            "run": self.run,
            "site": self,
            "token": self.guard.token,
            "up": relative_root(request),
        }
        shared |= {"at": _page_path(request), "marks": marks, "last": last, "agreement": agreement}
        return HTMLResponse(template.render(**shared, **context), status)

    def remember(self, cache: dict[Any, Any], key: object, result: object) -> None:
        """Remember what took long to compute; the oldest is forgotten."""
        with self._lock:
            cache.pop(key, None)
            while len(cache) >= _CACHE_SIZE:
                cache.pop(next(iter(cache)))
            cache[key] = result


def _fact_text(column: str, value: object) -> str:
    """A value of a column as a tile says it."""
    if value is None or isinstance(value, float):
        return f"{column} {pages.format_number(value)}"
    return f"{column} {value}"


def relative_root(request: Request) -> str:
    """Return what leads from a page to the first one, as links begin.

    Links are relative, because behind a proxy the first page may be `/user/me/proxy/8765/`.
    """
    return "../" * (_page_path(request).count("/") - 1) or "./"


def redirect(request: Request, page: str, query: str = "", fragment: str = "") -> Response:
    """On to another page, as `example/3`, after something was changed."""
    address = (
        relative_root(request)
        + page
        + (f"?{query}" if query else "")
        + (f"#{fragment}" if fragment else "")
    )
    return RedirectResponse(address, 303)


def _page_path(request: Request) -> str:
    """The path of a page below that of the viewer, which a server may know."""
    path, root = request.scope["path"], request.scope.get("root_path", "")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path
