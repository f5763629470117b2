"""The viewer as an ASGI application: its addresses, and its error page."""

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
from vog.pages import style_sheet
from vog.result import Run
from vog.result.marks import Review
from vog.result.row_lookup import RowLookup
from vog.result.row_pages import RowPages
from vog.result.sql import RunTables, explain_read_errors
from vog.viewer.background import IdleWorker
from vog.viewer.context import Site
from vog.viewer.on_demand import Inspection
from vog.viewer.pages import compare_page, example_page, gallery_page, image_responses, marks_page
from vog.viewer.request_guard import Guard, GuardedApp, RefusedError

_STATIC = Path(__file__).parent / "static"
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_THREADS = 8
PageHandler = Callable[[Site, Request], Response]
FormHandler = Callable[[Site, Request, dict[str, str]], Response]


def application(
    run: Run,
    guard: Guard,
    root: Path | None = None,
    data: Any = None,
    inspection: Inspection | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> ASGIApp:
    """Return the viewer of a run as an ASGI application; see `serve` for the arguments.

    `tell` is called with the reason if no example can be shown.
    """
    preview = previewer(run, root, data, image_responses.LARGE, inside=True)
    source = RunTables(run)
    pages, rows = RowPages(source), RowLookup(source)
    site = Site(run, pages, rows, Review(run.folder), guard, preview, inspection)
    if site.first_preview.missing is not None:
        tell(f"There are no pictures. {site.first_preview.missing}")
    idle = IdleWorker()
    pages_by_path: dict[str, PageHandler] = {
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
        "/static/{name}": lambda site, request: _static_file(request),
    }
    forms: dict[str, FormHandler] = {
        "/mark": marks_page.mark,
        "/undo": marks_page.undo,
        "/inspect/{index}": example_page.inspect,
    }
    routes = [Route(path, _page_route(site, page, idle)) for path, page in pages_by_path.items()]
    routes += [
        Route(path, _form_route(site, page), methods=["POST"]) for path, page in forms.items()
    ]
    app = Starlette(
        routes=routes,
        lifespan=lambda app: _lifespan(site, idle),
        exception_handlers=dict.fromkeys(
            (VogError, RefusedError, HTTPException),
            lambda request, error: _error_page(site, request, error),
        ),
    )
    app.router.redirect_slashes = False  # they would have the address behind the proxy
    return GuardedApp(app, guard)


@asynccontextmanager
async def _lifespan(site: Site, idle: IdleWorker) -> AsyncIterator[None]:
    """Prepare derived columns while the server runs and no request is waiting."""
    # More threads would not be faster, and each has its own memory.
    to_thread.current_default_thread_limiter().total_tokens = _THREADS
    with idle.run_in_background(site.row_pages.source.prepare):
        yield


def _page_route(site: Site, page: PageHandler, idle: IdleWorker) -> Callable[[Request], Response]:
    """Return the endpoint of a page. It is no coroutine, so that it runs in a thread."""

    def answer(request: Request) -> Response:
        with idle.serving_request(), explain_read_errors():
            return page(site, request)

    return answer


def _form_route(site: Site, page: FormHandler) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a form of this viewer."""

    def handle(request: Request, fields: dict[str, str]) -> Response:
        with explain_read_errors():
            return page(site, request, fields)

    async def answer(request: Request) -> Response:
        fields = await site.guard.form(request)
        return await run_in_threadpool(handle, request, fields)

    return answer


def _error_page(site: Site, request: Request, error: Exception) -> Response:
    """Return a page with the error message and a link to the gallery."""
    if isinstance(error, HTTPException):
        status, message = error.status_code, str(error.detail)
    else:
        status, message = getattr(error, "status", 400), str(error)
    if status == 404:
        message = "There is no such page or example."
    return site.page("error.html", request, status, message=message)


def _static_file(request: Request) -> Response:
    """Return a static file. Its name is looked up in a list, and never opened as a path."""
    name = request.path_params["name"]
    if name == "look.css":
        content = style_sheet()
    else:
        files = {path.name: path for path in _STATIC.iterdir()}
        if name not in files:
            raise HTTPException(404)
        content = files[name].read_text(encoding="utf-8")
    return Response(
        content,
        media_type=_MEDIA_TYPES[Path(name).suffix],
        headers={"cache-control": "no-cache"},
    )
