"""The labelling page's server: a session over HTTP, for one user on the same machine unless told otherwise.

Nothing that a browser sends reaches the file system but validated masks, under the number of their sample. A request
that changes something needs the header X-Onemask, which another site's page cannot send, and a known Host; bound to
another address than loopback, every request needs the token that the server prints.
"""

from __future__ import annotations

import hmac
import io
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from PIL import Image
from starlette.concurrency import run_in_threadpool

from onemask.annotation.command import Request as AnnotateRequest
from onemask.annotation.command import run as annotate
from onemask.annotation.labeller import SEGMENTER
from onemask.data.labelled import palette_image, read_label_map
from onemask.errors import OnemaskError
from onemask.files import sha256
from onemask.labelling.session import Conflict, Session

PAGE = {"index.html": "text/html", "page.js": "text/javascript", "page.css": "text/css"}
CHANGES = ("PUT", "POST", "DELETE")
COOKIE, HEADER = "onemask", "X-Onemask"
MOST_UPLOAD = 4 << 20  # bytes of a request
MOST_PIXELS = 1 << 24  # of an uploaded image
MOST_EXPORTED = 100_000
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


Image.MAX_IMAGE_PIXELS = MOST_PIXELS


class Upload(io.BytesIO):
    """A file from the browser, as errors name it."""

    def __str__(self) -> str:
        return "the uploaded mask"


def make_app(session: Session, generator_path: Path, token: str | None = None) -> FastAPI:
    """The application; `token` None serves loopback alone, by the Host that requests name."""
    app = FastAPI(openapi_url=None)

    @app.middleware("http")
    async def guard(request: Request, answer: Callable) -> Response:
        if refused := _refusal(request, token):
            return refused
        response = await answer(request)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Security-Policy"] = "default-src 'self'; img-src 'self' blob: data:"
        if token and request.query_params.get("token"):
            response.set_cookie(COOKIE, token, httponly=True, samesite="strict")
        return response

    @app.exception_handler(OnemaskError)
    async def say(_: Request, error: OnemaskError) -> JSONResponse:
        return JSONResponse({"message": str(error)}, 409 if isinstance(error, Conflict) else 400)

    @app.get("/api/state")
    def state() -> dict:
        masks = {seed: mask.version for seed, mask in sorted(session.masks.items())}
        return {
            "size": session.generator.resolution,
            "labels": [
                {"name": name, "colour": colour}
                for name, colour in zip(session.labels.names, session.labels.colours, strict=True)
            ],
            "method": session.method["title"],
            "masks": masks,
            "fits": session.fits,
            "work": session.work.shown(),
        }

    @app.get("/api/image/{seed}")
    def image(seed: int) -> Response:
        return _png(Image.fromarray(session.image(seed)))

    @app.get("/api/mask/{seed}")
    def mask(seed: int) -> Response:
        found = session.masks.get(seed)
        values = found.values if found else np.zeros((session.generator.resolution,) * 2, np.uint8)
        return _raw(values, {"X-Version": str(found.version if found else 0)})

    @app.put("/api/mask/{seed}")
    async def save(seed: int, version: int, request: Request) -> dict:
        values = await _label_map(request, session)
        return {"version": await run_in_threadpool(session.save_mask, seed, values, version)}

    @app.delete("/api/mask/{seed}")
    def drop(seed: int) -> dict:
        session.drop_mask(seed)
        return {}

    @app.get("/api/clusters/{seed}")
    def clusters(seed: int) -> Response:
        return _raw(session.clusters(seed), {})

    @app.get("/api/predicted/{seed}")
    def predicted(seed: int) -> Response:
        values, uncertainty = session.predict(seed)
        return _raw(values, {} if uncertainty is None else {"X-Uncertainty": f"{uncertainty:.4f}"})

    @app.get("/api/predicted/{seed}/overlay")
    def overlay(seed: int) -> Response:
        values, uncertainty = session.predict(seed)
        colours = np.array(palette_image(values, session.labels).convert("RGB"), np.float32)
        shares = np.where(values[..., None] > 0, 0.5, 0.0)
        blended = (1 - shares) * session.image(seed) + shares * colours
        headers = {} if uncertainty is None else {"X-Uncertainty": f"{uncertainty:.4f}"}
        return _png(Image.fromarray(blended.round().astype(np.uint8)), headers)

    @app.post("/api/fit")
    def fit() -> dict:
        session.start("fit", session.fit)
        return {}

    @app.post("/api/cancel")
    def cancel() -> dict:
        session.cancel()
        return {}

    @app.post("/api/export/set")
    def export_set() -> dict:
        return {"message": f"written: {session.export_set()}"}

    @app.post("/api/export/images")
    def export_images(count: int) -> dict:
        if not 1 <= count <= MOST_EXPORTED:
            raise OnemaskError(f"count: from 1 to {MOST_EXPORTED} images")
        if session.labeller is None:
            raise OnemaskError("nothing is fitted yet; paint a sample, then fit")
        session.start("export", lambda: _export(session, generator_path, count))
        return {}

    @app.get("/{name}")
    @app.get("/")
    def page(name: str = "index.html") -> Response:
        if name not in PAGE:
            return JSONResponse({"message": "there is no such page"}, 404)
        content = files("onemask.labelling").joinpath("page", name).read_bytes()
        return Response(content, media_type=f"{PAGE[name]}; charset=utf-8")

    return app


def _refusal(request: Request, token: str | None) -> Response | None:
    """An answer to a request that may not be served."""
    given = request.query_params.get("token") or request.cookies.get(COOKIE) or ""
    if token is not None and not hmac.compare_digest(given.encode(), token.encode()):
        return JSONResponse({"message": "open the address that `onemask label` printed: it holds the token"}, 403)
    host = request.headers.get("host", "").rsplit(":", 1)[0]
    if token is None and host not in LOOPBACK:
        return JSONResponse({"message": "this server answers this machine alone"}, 403)
    if request.method in CHANGES and HEADER not in request.headers:
        return JSONResponse({"message": f"a change needs the header {HEADER}"}, 403)
    if int(request.headers.get("content-length") or 0) > MOST_UPLOAD:
        return JSONResponse({"message": f"more than {MOST_UPLOAD >> 20} MB"}, 413)
    return None


async def _label_map(request: Request, session: Session) -> np.ndarray:
    """A request's body as label values [H, W]: raw bytes, one per pixel, or a PNG of the image's size."""
    body = bytearray()
    async for chunk in request.stream():  # whatever the length that was stated
        body += chunk
        if len(body) > MOST_UPLOAD:
            raise OnemaskError(f"the mask has more than {MOST_UPLOAD >> 20} MB")
    size = session.generator.resolution
    if request.headers.get("content-type") == "image/png":
        return await run_in_threadpool(read_label_map, Upload(bytes(body)), session.labels, size)
    if len(body) != size * size:
        raise OnemaskError(f"the mask has {len(body)} bytes, expected {size} x {size}, one per pixel")
    return np.frombuffer(bytes(body), np.uint8).reshape(size, size)


def _export(session: Session, generator_path: Path, count: int) -> str:
    """A labelled data set of `count` images beside the session, by `onemask annotate`."""
    labeller = session.folder / "labeller"
    out = session.folder / f"images-{sha256(labeller / SEGMENTER)[:8]}"
    options = {"count": count, "labellers": (labeller,), "truncation": session.truncation}
    annotate(AnnotateRequest(generator_path, out, **options))
    return f"written: {out} ({count} images, annotations.json)"


def _png(image: Image.Image, headers: dict[str, str] | None = None) -> Response:
    stream = io.BytesIO()
    image.save(stream, "png", compress_level=1)
    return Response(stream.getvalue(), media_type="image/png", headers=headers)


def _raw(values: np.ndarray, headers: dict[str, str]) -> Response:
    """Rows of numbers, little-endian."""
    return Response(np.ascontiguousarray(values).tobytes(), media_type="application/octet-stream", headers=headers)
