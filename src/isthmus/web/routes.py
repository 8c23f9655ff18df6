"""The API: POST /api/encode, decode, reconstruct, denoise, score, sample, edit, walk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from isthmus.errors import DataError, UsageError
from isthmus.models.abstract_model import corruption_for
from isthmus.parts.corruptions import Given
from isthmus.parts.neighbors import NeighborNoise
from isthmus.randomness import generator_for
from isthmus.tools.editing.edits import Edit
from isthmus.tools.sampling.interpolation import blend, refuse_discrete
from isthmus.tools.sampling.sampling import draw_samples
from isthmus.web.anomaly_panel import scored
from isthmus.web.bodies import CodesBody, DenoiseBody, EditBody, InterpolationBody, RequestBody, SampleBody, SamplesBody
from isthmus.web.image_encoding import packed, png
from isthmus.web.limits import Limits, TooMuch, refuse_many
from isthmus.web.loaded_run import LoadedRun
from isthmus.web.openapi import described
from isthmus.web.request_parsing import received, samples_of

router = APIRouter(prefix="/api")
Answer = dict[str, Any]


async def _answered(
    request: Request, kind: type[RequestBody], work: Callable[[LoadedRun, Any, list[np.ndarray], Limits], Answer]
) -> Response:
    """Reads the request, works in a thread, and answers as JSON, or as one PNG if the request accepts only that."""
    limits: Limits = request.app.state.limits
    body, pictures = await received(request, kind, limits)
    loaded: LoadedRun = await run_in_threadpool(request.app.state.served.loaded)
    found = await run_in_threadpool(work, loaded, body, pictures, limits)
    wants_picture = request.headers.get("accept", "") == "image/png"
    return await run_in_threadpool(_response, loaded, found, getattr(body, "form", "png"), wants_picture)


def _response(loaded: LoadedRun, found: Answer, form: str, wants_picture: bool) -> Response:
    """The answer as JSON or one PNG; runs in a thread, because thousands of pictures take a second.

    Raises: DataError if the network's output overflows float32.
    """
    raw = found.pop("_raw", None)
    if raw is not None:
        _refuse_overflow(raw)
    if raw is not None and wants_picture:
        return _picture(loaded, raw)
    try:
        return JSONResponse(found | (packed(raw, form, loaded.pictures) if raw is not None else {}))
    except ValueError:  # JSON has no infinity
        raise _too_far() from None


def _refuse_overflow(raw: np.ndarray) -> None:
    """Refuses infinity anywhere and NaN in an image; in a row, NaN is a gap. Raises: DataError."""
    if raw.dtype.kind == "f" and not (np.isfinite(raw) | (np.isnan(raw) & (raw.ndim == 2))).all():
        raise _too_far()


def _too_far() -> DataError:
    message = "the answer is not a finite number: the input is too far from what the model was trained on."
    return DataError("DATA-VALUE", message, fix="send values closer to those of the training data")


def _picture(loaded: LoadedRun, raw: np.ndarray) -> Response:
    if raw.ndim != 4 or len(raw) != 1:
        message = f"image/png can hold one image, but the answer has {len(raw)} samples."
        raise UsageError("USAGE-ACCEPT", message, fix="send one image, or accept application/json")
    headers = {"Content-Disposition": "attachment; filename=isthmus.png"}
    return Response(png(loaded.pictures(raw)[0]), media_type="image/png", headers=headers)


@router.post("/encode", **described(SamplesBody, "The codes of samples.", {"z": [[0.1, -1.2]], "n": 1}))
async def encode(request: Request) -> Response:
    def work(loaded: LoadedRun, body: SamplesBody, pictures: list[np.ndarray], limits: Limits) -> Answer:
        z = loaded.coder.encode(samples_of(loaded, body, pictures, limits))
        return {"n": len(z), "z": z.tolist()}

    return await _answered(request, SamplesBody, work)


@router.post("/decode", **described(CodesBody, "Samples decoded from codes.", {"n": 1, "images": ["data:image/png;…"]}))
async def decode(request: Request) -> Response:
    def work(loaded: LoadedRun, body: CodesBody, pictures: list[np.ndarray], limits: Limits) -> Answer:
        x = loaded.coder.decode(_few(loaded, loaded.codes(body.z), limits))
        return {"n": len(x), "_raw": x}

    return await _answered(request, CodesBody, work)


@router.post(
    "/reconstruct",
    **described(
        SamplesBody,
        "Reconstructs samples; `input` is what the model saw.",
        {
            "n": 1,
            "images": ["data:image/png;…"],
            "input": ["data:image/png;…"],
            "z": [[0.1]],
            "mse": [0.01],
            "psnr_db": [20.0],
        },
    ),
)
async def reconstruct(request: Request) -> Response:
    def work(loaded: LoadedRun, body: SamplesBody, pictures: list[np.ndarray], limits: Limits) -> Answer:
        raw = samples_of(loaded, body, pictures, limits)
        z = loaded.coder.encode(raw) if loaded.model.has_code else None
        raw_hat = loaded.model.reconstruct(raw) if z is None or raw.dtype != np.uint8 else loaded.coder.decode(z)
        seen, quality = next(iter(packed(raw, body.form, loaded.pictures).values())), _quality(loaded, raw, raw_hat)
        return {"n": len(raw), "z": None if z is None else z.tolist(), "input": seen, **quality, "_raw": raw_hat}

    return await _answered(request, SamplesBody, work)


@router.post(
    "/denoise",
    **described(
        DenoiseBody,
        "Denoises samples. `noise`, if given, is added first; the answer then has PSNR and MSE before and after.",
        {
            "n": 1,
            "noisy": ["data:image/png;…"],
            "images": ["data:image/png;…"],
            "noisy_mse": [0.115],
            "noisy_psnr_db": [9.4],
            "mse": [0.0098],
            "psnr_db": [20.1],
        },
    ),
)
async def denoise(request: Request) -> Response:
    def work(loaded: LoadedRun, body: DenoiseBody, pictures: list[np.ndarray], limits: Limits) -> Answer:
        loaded.model.refuse_denoising()
        raw = samples_of(loaded, body, pictures, limits)
        if body.noise is None:
            return {"n": len(raw), "_raw": loaded.model.denoise(raw)}
        noisy = _with_noise(loaded, raw, body.noise, body.seed)
        cleaned = loaded.model.denoise(noisy)
        quality = {f"noisy_{name}": values for name, values in _quality(loaded, raw, noisy).items()}
        quality |= _quality(loaded, raw, cleaned)
        return {
            "n": len(raw),
            "noisy": next(iter(packed(noisy, body.form, loaded.pictures).values())),
            **quality,
            "_raw": cleaned,
        }

    return await _answered(request, DenoiseBody, work)


def _with_noise(loaded: LoadedRun, raw: np.ndarray, noise: str, seed: int) -> np.ndarray:
    preprocess = loaded.model.preprocess
    kind = corruption_for(noise, preprocess)
    if isinstance(kind, Given | NeighborNoise):
        message = f"{noise!r} describes noise in the training data; it cannot be added to samples."
        raise UsageError("USAGE-NOISE", message, fix='send noise such as "gaussian:0.1"')
    x_in = kind(loaded.x(raw), generator_for(seed, "serve", "noise")).x_in
    return preprocess.to_raw(x_in, getattr(torch, str(raw.dtype))).numpy()


@router.post(
    "/score",
    **described(
        SamplesBody,
        "Anomaly scores of samples; larger is more anomalous. For images, `heat` shows where.",
        {
            "n": 1,
            "score": [4.2],
            "p_value": [0.31],
            "outlier": [False],
            "rate": 0.01,
            "level": ["pass"],
            "said": ["Within the usual range: …"],
            "heat": ["data:image/png;…"],
        },
    ),
)
async def score(request: Request) -> Response:
    def work(loaded: LoadedRun, body: SamplesBody, pictures: list[np.ndarray], limits: Limits) -> Answer:
        raw = samples_of(loaded, body, pictures, limits)
        return {"n": len(raw), **scored(loaded, raw)}

    return await _answered(request, SamplesBody, work)


@router.post(
    "/sample",
    **described(
        SampleBody,
        "New samples, from the prior or from a density fitted to the training codes.",
        {"n": 16, "source": "a mixture", "images": ["data:image/png;…"], "z": [[0.1]]},
    ),
)
async def sample(request: Request) -> Response:
    def work(loaded: LoadedRun, body: SampleBody, pictures: list[np.ndarray], limits: Limits) -> Answer:
        refuse_many(body.n, limits, loaded.model.preprocess.size)
        drawn = draw_samples(
            loaded.run, body.n, density=body.density, of=body.of, seed=body.seed, temperature=body.temperature
        )
        return {"n": len(drawn.x), "source": drawn.source, "z": drawn.z.tolist(), "_raw": drawn.x}

    return await _answered(request, SampleBody, work)


@router.post(
    "/edit",
    **described(
        EditBody,
        "Adds features to samples or codes, and removes features.",
        {"n": 1, "z": [[0.1]], "images": ["data:image/png;…"]},
    ),
)
async def edit(request: Request) -> Response:
    def work(loaded: LoadedRun, body: EditBody, pictures: list[np.ndarray], limits: Limits) -> Answer:
        coder = loaded.coder
        if body.z is not None:
            z = _few(loaded, loaded.codes(body.z), limits)
        else:
            z = coder.encode(samples_of(loaded, body, pictures, limits))
        z = _edited(loaded, body, z)
        x = coder.decode(z)
        return {"n": len(x), "z": z.tolist(), "_raw": x}

    return await _answered(request, EditBody, work)


def _edited(loaded: LoadedRun, body: EditBody, z: np.ndarray) -> np.ndarray:
    if body.add or body.remove:
        z = loaded.edit(tuple(body.add), tuple(body.remove), tuple(body.keep)).apply(z, body.strength)
    elif not body.features:
        raise UsageError(
            "USAGE-FEATURE", "the request neither adds nor removes a feature.", fix='send {"add": ["NAME"]}'
        )
    parts: list[tuple[float, Any]] = []
    for name, strength in body.features.items():
        if strength:
            parts += [(sign * strength, feature) for sign, feature in loaded.edit((name,), (), tuple(body.keep)).parts]
    return Edit(tuple(parts)).apply(z) if parts else z


@router.post(
    "/walk",
    **described(
        InterpolationBody,
        "Interpolates from one code to another.",
        {"n": 12, "z": [[0.1]], "images": ["data:image/png;…"]},
    ),
)
async def walk(request: Request) -> Response:
    def work(loaded: LoadedRun, body: InterpolationBody, pictures: list[np.ndarray], limits: Limits) -> Answer:
        refuse_discrete(loaded.coder, "interpolation")
        a, b = loaded.codes([body.a, body.b])
        z = blend(a, b, body.steps, body.path, loaded.latent.mean)
        return {"n": len(z), "z": z.tolist(), "_raw": loaded.coder.decode(z)}

    return await _answered(request, InterpolationBody, work)


def _few(loaded: LoadedRun, z: np.ndarray, limits: Limits) -> np.ndarray:
    """The codes, if the limits allow decoding them. Raises: TooMuch."""
    if len(z) > limits.samples:
        raise TooMuch(f"the request has {len(z):,} codes; the limit is {limits.samples:,} at once.")
    refuse_many(len(z), limits, loaded.model.preprocess.size)
    return z


def _quality(loaded: LoadedRun, raw: np.ndarray, raw_hat: np.ndarray) -> Answer:
    """Squared error per value; for images also the PSNR, None for identical images, whose PSNR is infinite."""
    mse = loaded.errors(raw, raw_hat)
    answer: Answer = {"mse": mse.tolist()}
    if loaded.model.preprocess.is_image:
        answer["psnr_db"] = [None if m == 0 else float(-10 * np.log10(m)) for m in mse]
    return answer


__all__ = ["router"]
