"""A request as a checked body and samples: JSON or a form with files, within the limits."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from isthmus.errors import DataError, UsageError
from isthmus.using.framing import frame
from isthmus.web.bodies import Body, Samples
from isthmus.web.limits import Limits, TooMuch
from isthmus.web.packing import from_base64, read_image
from isthmus.web.workbench import Workbench

B = TypeVar("B", bound=Body)
FIELDS = 64  # of a form besides its files
LISTS = {"add", "remove", "keep"}


async def received(request: Request, kind: type[B], limits: Limits) -> tuple[B, list[np.ndarray]]:
    """The body, and the pictures among it, decoded. The names that files come with are never looked at.

    Raises: UsageError that names the field; DataError; TooMuch.
    """
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        values, uploads = await _form(request, limits)
        if uploads and not issubclass(kind, Samples):
            raise UsageError("USAGE-BODY", "this takes no files.", fix="see /api/openapi.json")
        return _checked(kind, values), uploads
    raw = await request.body()
    try:
        values = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        raise UsageError("USAGE-JSON", "the body is not JSON.", fix="see /api/openapi.json for examples") from None
    body = _checked(kind, values)
    given = getattr(body, "images", [])
    _refuse_many(len(given), limits.files, "images")
    return body, [from_base64(text, f"image {i}", limits) for i, text in enumerate(given)]


async def _form(request: Request, limits: Limits) -> tuple[dict[str, Any], list[np.ndarray]]:
    try:
        form = await request.form(max_files=limits.files, max_fields=FIELDS, max_part_size=2**20)
    except HTTPException as error:
        raise TooMuch(f"{error.detail} (limits: {limits.files} files, {FIELDS} fields of 1 MB)") from None
    values: dict[str, Any] = {}
    pictures = []
    try:
        for key, value in form.multi_items():
            if isinstance(value, UploadFile):
                pictures.append(read_image(await value.read(), f"file {len(pictures)}", limits))
            elif key in LISTS:
                values.setdefault(key, []).append(value)
            else:
                values[key] = value
    finally:
        await form.close()  # what was spooled to disk goes with it
    return values, pictures


def _checked(kind: type[B], values: Any) -> B:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()]
        message = f"the request does not fit: {problems[0]}."
        raise UsageError("USAGE-BODY", message, fix="see /api/openapi.json for examples", problems=problems) from None


def samples_of(bench: Workbench, body: Samples, pictures: list[np.ndarray], limits: Limits) -> np.ndarray:
    """Raw samples (N, *shape) in the type of the training data.

    Raises: DataError where they do not fit; UsageError where there are none; TooMuch.
    """
    if (body.x is not None) == bool(pictures):
        raise UsageError("USAGE-BODY", "give samples: images, files, or x, one of them.", fix="see /api/openapi.json")
    if body.x is not None:
        _refuse_many(len(body.x), limits.samples, "samples")
        return bench.raw(body.x)
    preprocess = bench.model.preprocess
    if not preprocess.is_image:
        message = f"the model takes rows of {preprocess.size} numbers, no images."
        raise DataError("DATA-SHAPE", message, fix='send {"x": [[…]]}')
    return bench.as_raw(
        np.stack([frame(p, preprocess.shape, body.fit, dark_border=bench.dark_border) for p in pictures])
    )


def _refuse_many(n: int, most: int, what: str) -> None:
    if n > most:
        raise TooMuch(f"the request has {n:,} {what}; at most {most:,} are taken at once.")


__all__ = ["received", "samples_of"]
