"""A client for a run behind the guarded application, and its parts for tests of the guard."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from isthmus.web.app import build_app
from isthmus.web.guard import Access
from isthmus.web.limits import Limits
from isthmus.web.served_run import ServedRun

TOKEN, PORT = "a-token-of-thirty-two-characters", 8642
HOME = f"http://127.0.0.1:{PORT}"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def app_of(path: Path, limits: Limits | None = None, **access: Any) -> FastAPI:
    return build_app(ServedRun(path), Access(TOKEN, PORT, **access), limits, watch=True)


def client(app: Any, **headers: str) -> TestClient:
    """A client with the token, unless other headers are given."""
    return TestClient(app, base_url=HOME, headers=headers or BEARER, raise_server_exceptions=True)


def png(pixels: np.ndarray) -> bytes:
    """Pixels (H, W) or (H, W, C) as a PNG file."""
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "PNG")
    return packed.getvalue()


def uri(pixels: np.ndarray) -> str:
    return f"data:image/png;base64,{base64.b64encode(png(pixels)).decode()}"


def pixels(uri: str) -> np.ndarray:
    """The pixels of a data URI."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))
