"""The labelling page's server: a session over HTTP, for one user on the same machine unless told otherwise.

Nothing that a browser sends reaches the file system but validated masks, under the number of their sample. Requests
to /api/ need the header X-Onemask, which another site's page cannot send, and a known Host; bound to another address
than loopback, every request needs the token that the server prints.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import logging
from collections.abc import Callable
from importlib.resources import files
from urllib.parse import quote, urlsplit

import numpy as np
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from PIL import Image
from starlette.concurrency import run_in_threadpool

from onemask.data.colours import palette_image
from onemask.data.labelled import read_label_map
from onemask.errors import OnemaskError
from onemask.labelling.session import UNFITTED, Conflict, Session, version_of
from onemask.labels import LabelSet

PAGE = {"index.html": "text/html", "page.js": "text/javascript", "page.css": "text/css"}
HEADER = "X-Onemask"
MOST_UPLOAD = 4 << 20  # bytes of a request
MOST_EXPORTED = 100_000
LEAST_TOKEN = 16  # characters
LOOPBACK = ("127.0.0.1", "localhost", "::1")
POLICY = "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Upload(io.BytesIO):
    """A file from the browser, as errors name it."""

    def __repr__(self) -> str:
        return "the uploaded mask"


def make_app(session: Session, token: str | None = None) -> FastAPI:
    """The application; `token` None serves loopback alone, by the Host that requests name.

    ValueError for a token that could be guessed.
    """
    if token is not None and len(token) < LEAST_TOKEN:
        raise ValueError(f"a token of {len(token)} characters is none")
    app = FastAPI(openapi_url=None)

    @app.middleware("http")
    async def guard(request: Request, answer: Callable) -> Response:
        refused = _refusal(request, token)
        if token and not refused and request.method == "GET" and "token" in request.query_params:
            response: Response = RedirectResponse("/", 303)  # out of the address, into a cookie
            response.set_cookie(_cookie(token), token, httponly=True, samesite="strict")
        else:
            response = refused or await answer(request)
        response.headers.update(HEADERS)
        return response

    _explain_errors(app, session)
    for routes, prefix in ((_state(session), ""), (_samples(session), ""), (_exports(session), "/export")):
        app.include_router(routes, prefix=f"/api{prefix}")

    @app.get("/{name}")
    @app.get("/")
    def page(name: str = "index.html") -> Response:
        if name not in PAGE:
            return JSONResponse({"message": "there is no such page"}, 404)
        content = files("onemask.labelling").joinpath("page", name).read_bytes()
        return Response(content, media_type=f"{PAGE[name]}; charset=utf-8")

    return app


def _explain_errors(app: FastAPI, session: Session) -> None:
    """Every error is a message that the page shows."""

    @app.exception_handler(OnemaskError)
    async def say(_: Request, error: OnemaskError) -> JSONResponse:
        return JSONResponse({"message": str(error)}, 409 if isinstance(error, Conflict) else 400)

    @app.exception_handler(RequestValidationError)
    async def explain(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return JSONResponse({"message": f"{first['loc'][-1]}: {first['msg']}"}, 422)

    @app.exception_handler(OSError)
    async def admit(_: Request, error: OSError) -> JSONResponse:
        logging.exception("not written", exc_info=error)
        message = f"{session.folder}: {error.strerror or error}; free the disk or make the folder writable, then go on"
        return JSONResponse({"message": message}, 500)


def _state(session: Session) -> APIRouter:
    """How the session is, and what it does in the background."""
    routes = APIRouter()

    @routes.get("/state")
    def state() -> dict:
        labels = zip(session.labels.names, session.labels.colours, strict=True)
        return {
            "run": session.run,
            "size": session.size,
            "most_upload": MOST_UPLOAD,
            "truncation": session.setup.truncation,
            "labels": [{"name": name, "colour": colour} for name, colour in labels],
            "painted": [sample._asdict() for sample in sorted(session.masks)],
            "fits": session.fitted.number if session.fitted else 0,
            "fitted": session.fitted.method if session.fitted else "",
            "work": session.worker.work.shown(),
        }

    @routes.post("/fit")
    def fit() -> dict:
        session.painted()  # nothing painted is said at once
        session.worker.start("fit", session.fit)
        return {}

    @routes.post("/cancel")
    def cancel() -> dict:
        session.worker.cancel()
        return {}

    return routes


def _samples(session: Session) -> APIRouter:
    """A sample's image, its mask, and what clusters and the segmenter make of it."""
    routes = APIRouter()

    @routes.get("/image/{seed}")
    def image(seed: int, truncation: float | None = None) -> Response:
        return _png(Image.fromarray(session.image(session.sample(seed, truncation))))

    @routes.get("/mask/{seed}")
    def mask(seed: int, truncation: float | None = None) -> Response:
        values = session.mask(session.sample(seed, truncation))
        return _raw(values, {"X-Version": version_of(values)})

    @routes.put("/mask/{seed}")
    async def save(seed: int, version: str, request: Request, truncation: float | None = None) -> dict:
        body, size = await _body(request), session.size
        if len(body) != size * size:
            raise OnemaskError(f"the mask has {len(body)} bytes, expected {size} x {size}, one per pixel")
        values = np.frombuffer(body, np.uint8).reshape(size, size)
        sample = session.sample(seed, truncation)
        return {"version": await run_in_threadpool(session.save_mask, sample, values, version)}

    @routes.post("/read")
    async def read(request: Request) -> Response:
        """The values of a PNG that a user drew elsewhere."""
        body = await _body(request)
        return _raw(await run_in_threadpool(read_label_map, Upload(body), session.labels, session.size), {})

    @routes.get("/clusters/{seed}")
    def clusters(seed: int, truncation: float | None = None) -> Response:
        return _raw(session.clusters(session.sample(seed, truncation)), {})

    @routes.get("/predicted/{seed}")
    def predicted(seed: int, truncation: float | None = None) -> Response:
        return _raw(session.predict(session.sample(seed, truncation)).label_map, {})

    @routes.get("/predicted/{seed}/overlay")
    def overlay(seed: int, truncation: float | None = None) -> Response:
        found = session.predict(session.sample(seed, truncation))
        headers = {} if found.uncertainty is None else {"X-Uncertainty": f"{found.uncertainty:.4f}"}
        return _png(_overlaid(found.image, found.label_map, session.labels), headers)

    return routes


def _exports(session: Session) -> APIRouter:
    """What leaves the page: the annotated set, the labeller, a labelled data set."""
    routes = APIRouter()

    @routes.post("/set")
    def export_set(test: int = 0) -> Response:
        path = session.export_set(test)
        return _file(path.read_bytes(), path.name, f"written: {path}")

    @routes.post("/labeller")
    def export_labeller() -> Response:
        return _file(session.export_labeller(), "labeller.zip", f"the same lies in {session.folder / 'labeller'}")

    @routes.post("/images")
    def export_images(count: int, truncation: float | None = None) -> dict:
        if not 1 <= count <= MOST_EXPORTED:
            raise OnemaskError(f"count: from 1 to {MOST_EXPORTED} images")
        if session.fitted is None:
            raise OnemaskError(UNFITTED)
        drawn_at = session.truncation(truncation)
        session.worker.start("export", lambda: session.export_images(count, drawn_at))
        return {}

    return routes


def _overlaid(image: np.ndarray, label_map: np.ndarray, labels: LabelSet) -> Image.Image:
    """The image [H, W, 3], half covered by the labels' colours where it is not background."""
    colours = np.array(palette_image(label_map, labels).convert("RGB"), np.float32)
    shares = np.where(label_map[..., None] > 0, 0.5, 0.0)
    return Image.fromarray(((1 - shares) * image + shares * colours).round().astype(np.uint8))


def _refusal(request: Request, token: str | None) -> Response | None:
    """An answer to a request that may not be served."""
    if token is not None:
        given = request.query_params.get("token") or request.cookies.get(_cookie(token)) or ""
        if not hmac.compare_digest(given.encode(), token.encode()):
            return JSONResponse({"message": "open the address that `onemask label` printed: it holds the token"}, 403)
    elif _host(request) not in LOOPBACK:
        return JSONResponse({"message": "this server answers this machine alone"}, 403)
    if request.url.path.startswith("/api/") and HEADER not in request.headers:
        return JSONResponse({"message": f"a request needs the header {HEADER}"}, 403)
    if int(request.headers.get("content-length") or 0) > MOST_UPLOAD:
        return JSONResponse({"message": f"more than {MOST_UPLOAD >> 20} MB"}, 413)
    return None


def _cookie(token: str) -> str:
    """Its name, of its own for each server: browsers share cookies among the ports of a host."""
    return f"onemask-{hashlib.sha256(token.encode()).hexdigest()[:8]}"


def _host(request: Request) -> str | None:
    """The host that a request names, without its port; None for nonsense."""
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        return None


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():  # whatever the length that was stated
        body += chunk
        if len(body) > MOST_UPLOAD:
            raise OnemaskError(f"the mask has more than {MOST_UPLOAD >> 20} MB")
    return bytes(body)


def _png(image: Image.Image, headers: dict[str, str] | None = None) -> Response:
    stream = io.BytesIO()
    image.save(stream, "png", compress_level=1)
    return Response(stream.getvalue(), media_type="image/png", headers=headers)


def _raw(values: np.ndarray, headers: dict[str, str]) -> Response:
    """Rows of numbers, little-endian."""
    return Response(np.ascontiguousarray(values).tobytes(), media_type="application/octet-stream", headers=headers)


def _file(content: bytes, name: str, message: str) -> Response:
    """A file to be kept by the browser, and what the page says of it."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Message": quote(message)}
    return Response(content, media_type="application/octet-stream", headers=headers)
