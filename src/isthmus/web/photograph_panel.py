"""Denoising photographs on the page: before and after, the strength, and the file to save."""

from __future__ import annotations

import asyncio
import base64
import io
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from fastapi import APIRouter, Query, Request
from PIL import Image
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import Response

from isthmus.data.images.photograph import Frame, Photograph
from isthmus.data.images.pixels import SUFFIXES_OF, look, pixel_limit, reason
from isthmus.errors import DataError, IsthmusError, UsageError
from isthmus.evaluation.figures.before_after import detail_of, reduced
from isthmus.evaluation.figures.data_pictures import drawn_between, laid_on_board
from isthmus.models.blending import blended
from isthmus.models.denoiser import Denoiser
from isthmus.tools.inference.cleaned_files import CleanedFile, told
from isthmus.tools.inference.photo_judgment import Judgment, judge_cleaned, seen_of
from isthmus.tools.inference.photographs import cleaned, in_unit
from isthmus.web.limits import Limits, TooMuch

VIEW = 1_400  # width in pixels of what the page shows: more than it has room for
VIEW_QUALITY = 90  # of JPEG: blocks are invisible next to noise

router = APIRouter(prefix="/api/photograph")


class Networks(NamedTuple):
    """The network for pixels (C, H, W); `leaves_clean`: pictures with hardly any noise are left unchanged."""

    network_for: Callable[[np.ndarray], Denoiser]
    leaves_clean: bool


class ServesPhotographs(Protocol):
    """The part of the served object that this panel uses."""

    def networks(self) -> Networks:
        """Raises: UsageError for a model that does not take photographs."""
        ...


@dataclass(frozen=True, eq=False)
class CleanedPhotograph:
    """A photograph before and after, at full strength; the page knows it by its `key`."""

    key: str
    photograph: Photograph
    before: list[Frame]
    after: list[Frame]
    judgment: Judgment

    def packed(self, strength: float, folder: Path) -> tuple[bytes, str]:
        """The file at a strength from 0 to 1, in its original format, and its suffix."""
        kind = "JPEG" if self.photograph.format == "MPO" else self.photograph.format  # a JPEG followed by previews
        suffix = SUFFIXES_OF.get(kind, (".png",))[0]
        pairs = zip(self.before, self.after, strict=True)
        frames = [a._replace(pixels=blended(a.pixels, b.pixels, strength)) for a, b in pairs]
        path = self.photograph.save(frames, folder / f"kept{suffix}")
        return path.read_bytes(), path.suffix


class Photographs:
    """One photograph at a time: the others wait without holding a thread, so that other requests are still answered.

    Only the last one is kept, in memory; its file is in a folder that is deleted with the server.
    """

    def __init__(self, served: ServesPhotographs, limits: Limits) -> None:
        self.served, self.limits, self.turn = served, limits, asyncio.Lock()
        self.kept: CleanedPhotograph | None = None
        self.done = (0, 0)

    @cached_property
    def folder(self) -> Path:
        """The folder of the current file; it is deleted with this object, and with the process."""
        made = tempfile.mkdtemp(prefix="isthmus-")
        weakref.finalize(self, shutil.rmtree, made, ignore_errors=True)
        return Path(made)

    @property
    def is_at_hand(self) -> bool:
        """Whether what is served takes photographs."""
        try:
            return bool(self.served.networks())
        except (IsthmusError, OSError):
            return False

    def clean(self, content: bytes) -> dict[str, Any]:
        """Denoises the photograph in `content`, keeps it, and describes it. Raises: DataError, TooMuch."""
        self.kept, self.done = None, (0, 0)
        networks = self.served.networks()
        path = self.folder / "given"
        path.write_bytes(content)
        try:
            with pixel_limit(None):  # the package's limit is off; the server's limit follows
                self._refuse_large(path)
                photograph = Photograph(path)
                found = self._cleaned(photograph, networks)
        except DataError:
            raise
        except (OSError, SyntaxError, ValueError) as error:
            message = f"the file {reason(path, error)}."
            raise DataError("DATA-IMAGE", message, fix="send PNG, JPEG, TIFF, WebP, BMP, GIF or JPEG 2000") from None
        self.kept = found
        return about(found, networks)

    def _refuse_large(self, path: Path) -> None:
        """Checks the size before any pixel is decoded. Raises: TooMuch."""
        seen = look(path)[0]
        n, most = seen.height * seen.width * Photograph(path).n_frames, self.limits.pixels
        if n > most:
            raise TooMuch(f"the photograph has {n:,} pixels in all its frames; the limit is {most:,}.")

    def _cleaned(self, photograph: Photograph, networks: Networks) -> CleanedPhotograph:
        before = list(photograph.frames())
        seen, after = seen_of(before[0].pixels), []
        for number, frame in enumerate(before):
            own = frame._replace(pixels=frame.pixels.copy())
            after.append(cleaned(networks.network_for(frame.pixels), own, progress=self._counting(number, len(before))))
        judgment = judge_cleaned(seen, after[0].pixels)._replace(is_lossy=photograph.is_lossy)
        return CleanedPhotograph(secrets.token_urlsafe(12), photograph, before, after, judgment)

    def _counting(self, number: int, frames: int) -> Callable[[int, int], None]:
        def count(done: int, total: int) -> None:
            self.done = number * total + done, frames * total

        return count


def about(found: CleanedPhotograph, networks: Networks) -> dict[str, Any]:
    """What the page shows: the sentences, both pictures, and a detail with what was removed."""
    first, last = found.before[0], found.after[0]
    ends = networks.network_for(first.pixels).preprocess.ends
    x, y = (_shown(frame, first.pixels, ends) for frame in (first, last))
    detail = detail_of(x, y)
    is_bilevel = found.photograph.is_bilevel
    clean = (found.judgment.is_clean or is_bilevel) and networks.leaves_clean  # as the command does
    file = CleanedFile(found.photograph.path, found.judgment, False, is_bilevel)
    C, H, W = first.pixels.shape
    said = (
        told([file], 1.0, tells_noise=networks.leaves_clean)
        if not clean or is_bilevel
        else ("hardly any noise: this photograph is better left unchanged",)
    )
    return {
        "key": found.key,
        "height": H,
        "width": W,
        "channels": C,
        "frames": len(found.before),
        "noise": found.judgment.noise,
        "better_left_alone": clean,
        "structure_removed": found.judgment.took_structure,
        "said": list(said),
        "before": _uri(reduced(_on_board(x, first), VIEW)),
        "after": _uri(reduced(_on_board(y, last), VIEW)),
        "detail": {name: _uri(getattr(detail, name)) for name in ("before", "after", "removed")},
        "times": detail.times,
    }


def _shown(frame: Frame, of: np.ndarray, ends: tuple[float, float] | None) -> np.ndarray:
    """Pixels (C, H, W) for display: between the run's black and white, else by the picture's own range."""
    return in_unit(None, frame.pixels, of=of)[0] if ends is None else drawn_between(frame.pixels, ends)


def _on_board(x: np.ndarray, frame: Frame) -> np.ndarray:
    if frame.alpha is None or x.dtype != frame.alpha.dtype:
        return x
    return laid_on_board(np.concatenate([x, frame.alpha[None]])[None])[0]


def _uri(picture: np.ndarray) -> str:
    """A picture (h, w, 1 or 3) in [0, 1] as a data URI."""
    pixels = (255 * np.nan_to_num(picture)).round().astype(np.uint8)
    packed = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(packed, "JPEG", quality=VIEW_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(packed.getvalue()).decode()}"


@router.post("", summary="Denoises a photograph of any size, a file in a form, and keeps it for /file.")
async def photograph(request: Request) -> dict[str, Any]:
    held: Photographs = request.app.state.photographs
    content = await _file_of(request)
    async with held.turn:
        return await run_in_threadpool(held.clean, content)


async def _file_of(request: Request) -> bytes:
    """The one file of the form; its name is ignored. Raises: UsageError."""
    fix = "send multipart/form-data with one file"
    try:
        form = await request.form(max_files=1, max_fields=1)
    except HTTPException as error:
        raise UsageError("USAGE-FORM", f"the form cannot be read: {error.detail}.", fix=fix) from None
    try:
        file = next((value for _, value in form.multi_items() if isinstance(value, UploadFile)), None)
        content = b"" if file is None else await file.read()
    finally:
        await form.close()
    if not content:
        raise UsageError("USAGE-FORM", "the request has no photograph.", fix=fix)
    return content


@router.get("/progress", summary="How many tiles of the current photograph are done.")
async def progress(request: Request) -> dict[str, int]:
    done, total = request.app.state.photographs.done
    return {"done": done, "total": total}


@router.get("/file", summary="The last photograph at a given strength, in its original format.")
async def file(request: Request, key: str = Query(max_length=64), strength: float = Query(1.0, ge=0, le=1)) -> Response:
    held: Photographs = request.app.state.photographs
    async with held.turn:
        found = held.kept
        if found is None or found.key != key:
            raise HTTPException(
                404, "this photograph is no longer stored, because another one was sent later; send it again."
            )
        content, suffix = await run_in_threadpool(found.packed, strength, held.folder)
    headers = {"Content-Disposition": f"attachment; filename=denoised{suffix}"}
    return Response(content, media_type="application/octet-stream", headers=headers)


__all__ = ["CleanedPhotograph", "Networks", "Photographs", "about", "router"]
