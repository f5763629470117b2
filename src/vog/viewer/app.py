"""The addresses of the viewer, and what is answered when something is not as it should be."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from anyio import to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from vog.errors import VogError
from vog.figures.previews import previewer
from vog.pages import look
from vog.result import Run
from vog.result.marks import Review
from vog.result.row_lookup import RowLookup
from vog.result.row_pages import RowPages
from vog.result.sql import RunTables, explain_read_errors
from vog.viewer.background import Idle
from vog.viewer.context import Site
from vog.viewer.inspection import Inspection
from vog.viewer.pages import compare_page, example_page, gallery_page, image_responses, marks_page
from vog.viewer.request_guard import Guard, Guarded, RefusedError

_STATIC = Path(__file__).parent / "static"
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_THREADS = 8
Page = Callable[[Site, Request], Response]
Change = Callable[[Site, Request, dict[str, str]], Response]


def application(
    run: Run,
    guard: Guard,
    root: Path | None = None,
    data: Any = None,
    inspection: Inspection | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> ASGIApp:
    """The viewer of a run as an ASGI application; see `serve` for the arguments.

    `tell` hears why no example can be shown, if none can.
    """
    preview = previewer(run, root, data, image_responses.LARGE, inside=True)
    source = RunTables(run)
    pages, rows = RowPages(source), RowLookup(source)
    site = Site(run, pages, rows, Review(run.folder), guard, preview, inspection)
    if site.first.missing is not None:
        tell(f"There are no pictures. {site.first.missing}")
    idle = Idle()
    shown: dict[str, Page] = {
        "/": gallery_page.gallery,
        "/classes": gallery_page.classes,
        "/compare": compare_page.compare_page,
        "/compare.svg": compare_page.chart,
        "/example/{index}": example_page.example,
        "/trajectory/{index}.svg": image_responses.trajectory_response,
        "/picture/{index}": image_responses.picture,
        "/map/{index}/{which}.png": image_responses.gradient_map,
        "/review": marks_page.review,
        "/review.csv": marks_page.as_table,
        "/review.txt": marks_page.as_list,
        "/static/{name}": lambda site, request: _static(request),
    }
    changed: dict[str, Change] = {
        "/mark": marks_page.mark,
        "/undo": marks_page.undo,
        "/inspect/{index}": example_page.inspect,
    }
    routes = [Route(path, _shows(site, page, idle)) for path, page in shown.items()]
    routes += [
        Route(path, _changes(site, page), methods=["POST"]) for path, page in changed.items()
    ]
    app = Starlette(
        routes=routes,
        lifespan=lambda app: _running(site, idle),
        exception_handlers=dict.fromkeys(
            (VogError, RefusedError, HTTPException),
            lambda request, error: _told(site, request, error),
        ),
    )
    app.router.redirect_slashes = False  # by the address that is asked for, which a proxy changes
    return Guarded(app, guard)


@asynccontextmanager
async def _running(site: Site, idle: Idle) -> AsyncIterator[None]:
    """While the server runs, and nobody waits for a page, derived columns are prepared."""
    # More at a time would not be faster, and each keeps memory of its own.
    to_thread.current_default_thread_limiter().total_tokens = _THREADS
    with idle.working(site.browser.source.prepare):
        yield


def _shows(site: Site, page: Page, idle: Idle) -> Callable[[Request], Response]:
    """A page that changes nothing; it is not a coroutine, so it is made in a thread."""

    def answer(request: Request) -> Response:
        with idle.busy(), explain_read_errors():
            return page(site, request)

    return answer


def _changes(site: Site, page: Change) -> Callable[[Request], Awaitable[Response]]:
    """A page that takes a form of this viewer."""

    def changed(request: Request, fields: dict[str, str]) -> Response:
        with explain_read_errors():
            return page(site, request, fields)

    async def answer(request: Request) -> Response:
        fields = await site.guard.form(request)
        return await run_in_threadpool(changed, request, fields)

    return answer


def _told(site: Site, request: Request, error: Exception) -> Response:
    """What is wrong, on a page that leads back."""
    if isinstance(error, HTTPException):
        status, said = error.status_code, str(error.detail)
    else:
        status, said = getattr(error, "status", 400), str(error)
    if status == 404:
        said = "There is no such page or example."
    return site.page("error.html", request, status, said=said)


def _static(request: Request) -> Response:
    """One of the files of the pages; the name is looked up, never opened as a path."""
    name = request.path_params["name"]
    if name == "look.css":
        content = look()
    else:
        known = {path.name: path for path in _STATIC.iterdir()}
        if name not in known:
            raise HTTPException(404)
        content = known[name].read_text(encoding="utf-8")
    return Response(
        content,
        media_type=_KINDS[Path(name).suffix],
        headers={"cache-control": "no-cache"},
    )
