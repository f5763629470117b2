"""The context of all pages of the viewer: rows, marks, previews and templates."""

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
from vog.viewer.on_demand import InspectedExample, Inspection
from vog.viewer.request_guard import Guard
from vog.viewer.view_query import View

if TYPE_CHECKING:
    from vog.analysis.one_run.column_pair import ColumnComparison

_CACHE_SIZE = 32


@dataclass
class Site:
    """The run that is viewed, with its rows, marks and cached results.

    Attributes:
        preview: returns the preview of a row and id, with pictures in the largest size.
        inspected_examples: the latest results that were computed on demand, by row.
        comparisons: the latest comparisons of two columns, by their names.
    """

    run: Run
    row_pages: RowPages
    lookup: RowLookup
    review: Review
    guard: Guard
    preview: Previewer
    inspection: Inspection | None = None
    inspected_examples: dict[int, InspectedExample] = field(default_factory=dict)
    comparisons: dict[tuple[str, str], "ColumnComparison"] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def first_preview(self) -> Preview:
        """The preview of the first row that has one: all rows have the same kind."""
        rows = self.row_pages.page(RowOrder("index", descending=False), RowFilter(), count=20).rows
        previews = [self.preview(row["index"], row["id"]) for row in rows]
        return next((preview for preview in previews if preview.missing is None), previews[0])

    @property
    def has_pictures(self) -> bool:
        """True if examples are pictures; then each picture has its own address."""
        return self.first_preview.image is not None

    @cached_property
    def agreement(self) -> LabelAgreement | None:
        """The agreement of the last checkpoint with the labels."""
        return label_agreement(self.run)

    @cached_property
    def labels(self) -> dict[int, str]:
        """The names of the classes that have rows, by number."""
        return {label: self.class_name(label) or "" for label in self.lookup.labels()}

    @cached_property
    def names(self) -> dict[int, str]:
        """The names of all known classes by number, including those without rows."""
        numbers = {*range(len(self.run.label_names or [])), *self.labels, *self.lookup.predicted()}
        return {label: self.class_name(label) or "" for label in sorted(numbers)}

    def class_name(self, label: int | None) -> str | None:
        """Return the first name of a class, or its number."""
        return pages.class_text(self.run, label)

    def class_word(self, label: int) -> str:
        """Return the text of a class in fields of forms."""
        return view_query.class_word(self.run, label)

    def view(self, request: Request) -> View:
        """Return the view that the address of a page describes.

        Raises:
            ResultError: a query parameter is not valid.
        """
        return view_query.read_view(self.run, request.query_params)

    def address(self, query: str) -> str:
        """Return the query of the view that a form sent back, in its shortest form.

        Raises:
            ResultError: a query parameter is not valid.
        """
        try:
            parameters = parse_qsl(query, max_num_fields=50)
        except ValueError as error:
            raise ResultError(f"the view to go back to cannot be read: {error}.") from error
        return view_query.read_view(self.run, dict(parameters)).address(self.run)

    def tiles(
        self, request: Request, rows: Iterable[Row], columns: Sequence[str] = ()
    ) -> list[GalleryTile]:
        """Return the tiles of rows, with the values of some columns below each."""
        root = relative_root(request)
        return [
            self._tile(root, row, [_fact_text(name, row[name]) for name in columns]) for row in rows
        ]

    def _tile(self, root: str, row: Row, facts: list[str]) -> GalleryTile:
        if self.has_pictures:
            image = self.first_preview.image
            small = image is not None and max(image.size) <= 64
            fields = {"picture": f"{root}picture/{row['index']}?size=240", "small": small}
        else:
            fields = {"preview": self.preview(row["index"], row["id"])}
        return pages.make_tile(self.run, row, facts=facts, **fields)

    def page(self, name: str, request: Request, status: int = 200, **context: Any) -> Response:
        """Return a page from its template, with the context of all pages."""
        # An error page must not depend on anything that can fail.
        marks, last, agreement = {}, None, None
        if status < 400:
            marks, last, agreement = self.review.marks(), self.review.last(), self.agreement
        template = pages.environment("vog.viewer").get_template(name)
        context |= {"run": self.run, "site": self, "token": self.guard.token}
        context |= {"up": relative_root(request), "path": _page_path(request)}
        context |= {"marks": marks, "last": last, "agreement": agreement}
        return HTMLResponse(template.render(**context), status)

    def remember(self, cache: dict[Any, Any], key: object, result: object) -> None:
        """Put a result that took long to compute into a cache, and drop the oldest one."""
        with self._lock:
            cache.pop(key, None)
            while len(cache) >= _CACHE_SIZE:
                cache.pop(next(iter(cache)))
            cache[key] = result


def _fact_text(column: str, value: object) -> str:
    """Return the value of a column as the text of a tile."""
    if value is None or isinstance(value, float):
        return f"{column} {pages.format_number(value)}"
    return f"{column} {value}"


def relative_root(request: Request) -> str:
    """Return the relative path from a page to the first page, with which links begin.

    Links are relative, because behind a proxy the first page may be `/user/me/proxy/8765/`.
    """
    return "../" * (_page_path(request).count("/") - 1) or "./"


def redirect(request: Request, page: str, query: str = "", fragment: str = "") -> Response:
    """Return a redirect to another page, such as `example/3`, after a change."""
    address = relative_root(request) + page
    address += (f"?{query}" if query else "") + (f"#{fragment}" if fragment else "")
    return RedirectResponse(address, 303)


def _page_path(request: Request) -> str:
    """Return the path of a page below the root path of the viewer, which a server may set."""
    path, root = request.scope["path"], request.scope.get("root_path", "")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path
