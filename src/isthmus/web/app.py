"""The application: guard and limits around everything, the API, the panels, the live training, and the page."""

from __future__ import annotations

import json
from http import HTTPStatus
from importlib import resources
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from isthmus import report
from isthmus.errors import DataError, IsthmusError, ModelFileError, ResourceError
from isthmus.report.page import frame_of
from isthmus.system import regular
from isthmus.system.files import finite_or_null
from isthmus.validation_wording import rule
from isthmus.version import __version__
from isthmus.web import panels, photograph_panel, routes
from isthmus.web import watch as watching
from isthmus.web.guard import Access, Guard
from isthmus.web.limits import Limits, Metered, TooMuch
from isthmus.web.photograph_panel import Photographs
from isthmus.web.served_photo import ServedPhoto
from isthmus.web.served_run import PAGES, ServedRun

STATUS = {DataError: 422, ModelFileError: 409, ResourceError: 507}  # others: 400
STATIC = {
    "app.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "state.js": "text/javascript; charset=utf-8",
    "draw.js": "text/javascript; charset=utf-8",
    "fields.js": "text/javascript; charset=utf-8",
    "map.js": "text/javascript; charset=utf-8",
    "photograph.css": "text/css; charset=utf-8",
    "photograph.js": "text/javascript; charset=utf-8",
    "panels.js": "text/javascript; charset=utf-8",
    "watch.js": "text/javascript; charset=utf-8",
}
# A report is a separate page with its own script; in a sandbox it cannot access this server.
ALONE = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
)


def build_app(
    served: ServedRun | ServedPhoto, access: Access, limits: Limits | None = None, *, watch: bool = False
) -> FastAPI:
    """The ASGI application of one run, or of the shipped denoiser."""
    limits = limits or Limits()
    app = FastAPI(
        title="isthmus", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json",
        redirect_slashes=False,
        description="One trained autoencoder. Requests need `Authorization: Bearer TOKEN`, and can hold many samples.",
    )  # fmt: skip
    app.state.served, app.state.limits, app.state.access, app.state.watch = served, limits, access, watch
    app.state.photographs = Photographs(served, limits)
    for module in (routes, panels, photograph_panel, watching):
        app.include_router(module.router)
    _add_pages(app)
    app.add_exception_handler(IsthmusError, _error_response)
    app.add_exception_handler(TooMuch, _too_much)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)
    app.add_middleware(Metered, limits=limits)
    app.add_middleware(Guard, access=access)  # added last, so that it runs first
    return app


def _add_pages(app: FastAPI) -> None:
    static = resources.files("isthmus.web") / "static"
    style = (resources.files(report) / "templates" / "style.css").read_bytes()
    texts = {name: (static / name).read_bytes() for name in STATIC if (static / name).is_file()}
    page = frame_of((static / "index.html").read_text(encoding="utf-8")).encode()

    @app.get("/", include_in_schema=False)
    def index() -> Response:
        return Response(page, media_type="text/html; charset=utf-8")

    @app.get("/static/{name}", include_in_schema=False)
    def text(name: str) -> Response:
        if name == "style.css":
            return Response(style, media_type="text/css; charset=utf-8")
        if name not in texts:
            raise HTTPException(404, "there is no such file.")
        return Response(texts[name], media_type=STATIC[name])

    @app.get("/run/{name}", include_in_schema=False)
    def of_run(name: str, request: Request) -> Response:
        path = request.app.state.served.file(name)
        if path is None:
            raise HTTPException(404, "the run has no such page or picture.")
        if name in PAGES:
            headers = {"Content-Security-Policy": ALONE, "Content-Disposition": "inline"}
            return Response(regular.read_bytes(path), media_type="text/html; charset=utf-8", headers=headers)
        return Response(regular.read_bytes(path), media_type="image/png", headers={"Content-Disposition": "attachment"})


def _error_response(request: Request, error: Any) -> JSONResponse:
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 400)
    return JSONResponse(json.loads(json.dumps(finite_or_null(error.as_dict()))), status)


def _too_much(request: Request, error: Any) -> JSONResponse:
    return error.answer()


def _plain(request: Request, error: Any) -> JSONResponse:
    message = str(error.detail)
    if message == HTTPStatus(error.status_code).phrase:  # Starlette's own text
        message = f"there is no endpoint for {request.method} at this address."
    found = {"code": f"HTTP-{error.status_code}", "message": message, "fix": "see /api/openapi.json"}
    return JSONResponse({"error": found}, error.status_code, headers=error.headers)


def _unexpected(request: Request, error: Any) -> JSONResponse:
    """An unexpected error: most likely a file of the run has content that isthmus did not write."""
    message = f"the server could not answer ({type(error).__name__}); the other panels still work."
    fix = "check the run with `isthmus info`; if it is intact, report this error"
    return JSONResponse({"error": {"code": "BUG", "message": message, "fix": fix}}, 500)


def _invalid(request: Request, error: Any) -> JSONResponse:
    problems = [f"{'.'.join(map(str, e['loc']))}: {rule(e)}" for e in error.errors()]
    body = {"code": "USAGE-QUERY", "message": f"the request is not valid: {problems[0]}.", "problems": problems}
    return JSONResponse({"error": body}, 400)


__all__ = ["build_app"]
