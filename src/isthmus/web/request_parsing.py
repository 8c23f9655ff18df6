"""Parses a request, JSON or a form with files, into a validated body and samples, within the limits."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from isthmus.errors import DataError, UsageError
from isthmus.tools.inference.framing import frame
from isthmus.validation_wording import rule
from isthmus.web.bodies import RequestBody, SamplesBody
from isthmus.web.image_encoding import from_base64, on_white, parted, read_image, white_of
from isthmus.web.limits import Limits, TooMuch
from isthmus.web.loaded_run import LoadedRun
from isthmus.wording import printable, shortened

B = TypeVar("B", bound=RequestBody)
FIELDS = 64  # of a form, in addition to its files
BEYOND = ("Too many", "Part exceeded", "Field exceeded")  # the beginnings of the parser's messages about limits
LISTS = {"add", "remove", "keep"}


async def received(request: Request, kind: type[B], limits: Limits) -> tuple[B, list[np.ndarray]]:
    """The body, and its pictures, decoded. The names of files are ignored.

    Raises: UsageError that names the field; DataError; TooMuch.
    """
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        values, uploads = await _form(request, limits)
        if uploads and not issubclass(kind, SamplesBody):
            raise UsageError("USAGE-BODY", "this endpoint takes no files.", fix="see /api/openapi.json")
        return _checked(kind, values), uploads
    raw = await request.body()
    return await run_in_threadpool(_json, raw, kind, limits)  # other requests continue meanwhile


def _json(raw: bytes, kind: type[B], limits: Limits) -> tuple[B, list[np.ndarray]]:
    values = _parsed(raw)
    if isinstance(values, dict):  # counted before any of them is parsed
        for key, most, what in (
            ("x", limits.samples, "samples"), ("z", limits.samples, "codes"), ("images", limits.files, "images"),
        ):  # fmt: skip
            given = values.get(key)
            _refuse_many(len(given) if isinstance(given, list) else 0, most, what)
    body = _checked(kind, values)
    pictures = Pictures(limits)
    for i, text in enumerate(getattr(body, "images", [])):
        pictures.add(from_base64(text, f"image {i}", limits))
    return body, pictures.all


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw.strip() else {}
    except json.JSONDecodeError as error:
        message = (
            f"the body is not JSON: {error.msg[0].lower()}{error.msg[1:]}, line {error.lineno} column {error.colno}."
        )
    except UnicodeDecodeError:
        message = "the body is not JSON: it is not encoded in UTF-8."
    except RecursionError:
        message = "the lists in the body are nested too deeply."
    except ValueError:  # Python parses no number with more than 4,300 digits
        message = "the body has an integer with more than 4,300 digits."
    raise UsageError("USAGE-JSON", message, fix="see /api/openapi.json for examples")


class Pictures:
    """The decoded pictures of one request, up to the limit on pixels."""

    def __init__(self, limits: Limits) -> None:
        self.all: list[np.ndarray] = []
        self._left, self._limits = limits.pixels_together, limits

    def add(self, picture: np.ndarray) -> None:
        """Raises: TooMuch."""
        self._left -= picture.shape[1] * picture.shape[2]
        if self._left < 0:
            most = self._limits.pixels_together
            raise TooMuch(f"the images of this request have more than {most:,} pixels in total, which is the limit.")
        self.all.append(picture)


async def _form(request: Request, limits: Limits) -> tuple[dict[str, Any], list[np.ndarray]]:
    try:
        form = await request.form(max_files=limits.files, max_fields=FIELDS, max_part_size=2**20)
    except HTTPException as error:
        detail = str(error.detail)
        if not detail.startswith(BEYOND):
            message = f"the form cannot be read: {detail[0].lower()}{detail[1:].rstrip('.')}."
            raise UsageError("USAGE-FORM", message, fix="send multipart/form-data with its boundary") from None
        raise TooMuch(f"{detail} (limits: {limits.files} files, {FIELDS} fields of 1 MB)") from None
    values: dict[str, Any] = {}
    pictures = Pictures(limits)
    try:
        for key, value in form.multi_items():
            if isinstance(value, UploadFile):
                name = f"file {len(pictures.all)}"
                pictures.add(await run_in_threadpool(read_image, await value.read(), name, limits))
            elif key in LISTS:
                values.setdefault(key, []).append(value)
            else:
                values[key] = value
    finally:
        await form.close()  # also deletes what was spooled to disk
    return values, pictures.all


def _checked(kind: type[B], values: Any) -> B:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = [printable(shortened(_told(e))) for e in error.errors()]
        message = f"the request is not valid: {problems[0]}."
        raise UsageError("USAGE-BODY", message, fix="see /api/openapi.json for examples", problems=problems) from None


def _told(error: Any) -> str:
    """What pydantic found, in terms of the request; names in it may contain anything."""
    if not error["loc"]:
        return "it is not a JSON object"
    what = "unknown field" if error["type"] == "extra_forbidden" else rule(error)
    return f"{'.'.join(map(str, error['loc']))}: {what}"


def samples_of(loaded: LoadedRun, body: SamplesBody, pictures: list[np.ndarray], limits: Limits) -> np.ndarray:
    """Raw samples (N, *shape) in the type of the training data.

    Raises: DataError if they do not fit; UsageError if there are none; TooMuch.
    """
    if (body.x is not None) == bool(pictures):
        raise UsageError(
            "USAGE-BODY",
            "the request needs samples as exactly one of images, files, or x.",
            fix="see /api/openapi.json",
        )
    if body.x is not None:
        _refuse_many(len(body.x), limits.samples, "samples")
        return loaded.raw(body.x)
    preprocess = loaded.model.preprocess
    if not preprocess.is_image:
        message = f"the model takes rows of {preprocess.raw_shape[0]} numbers, not images."
        raise DataError("DATA-SHAPE", message, fix='send {"x": [[…]]}')
    framed = [_framed(loaded, picture, body.fit) for picture in pictures]
    if framed[0].shape != preprocess.shape:
        message = f"an image file has 1 or 3 channels, but the model takes {preprocess.shape[0]}."
        raise DataError("DATA-SHAPE", message, fix='send numbers, {"x": [[[[…]]]]}')
    return loaded.as_raw(np.stack(framed))


def _framed(loaded: LoadedRun, picture: np.ndarray, fit: str) -> np.ndarray:
    """A picture (C, h, w), bytes or numbers, as floats in [0, 1] in the model's shape. If the model has no alpha
    channel, transparency is blended with white; if only the model has one, the picture is opaque."""
    preprocess, seen = loaded.model.preprocess, loaded.in_range(picture)
    if not preprocess.alpha:
        return frame(on_white(seen), preprocess.shape, fit, dark_border=loaded.dark_border)
    C, H, W = preprocess.shape
    way = "cover" if fit in {"auto", "digit"} else fit  # "digit" crops by the ink, which transparency lacks
    colors, opacity = parted(seen)
    opacity = np.full_like(seen[:1], white_of(seen)) if opacity is None else opacity
    return np.concatenate([frame(colors, (C - 1, H, W), way), frame(opacity, (1, H, W), way)])


def _refuse_many(n: int, most: int, what: str) -> None:
    if n > most:
        raise TooMuch(f"the request has {n:,} {what}; the limit is {most:,} at once.")


__all__ = ["received", "samples_of"]
