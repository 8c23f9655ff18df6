"""What the page requests besides the API: the model's description, a first sample, the map, a point of it."""

from __future__ import annotations

import threading
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from starlette.exceptions import HTTPException

from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.tables.times import zone_seconds
from isthmus.errors import IsthmusError
from isthmus.models.denoiser import Denoiser
from isthmus.web.image_encoding import numbers, packed
from isthmus.web.loaded_run import LoadedRun, place
from isthmus.web.map_panel import chart

router = APIRouter(prefix="/api")
_charting = threading.Lock()
MOST_COLUMNS = 200  # that the page shows: nobody fills in a longer form


@router.get("/about", summary="What the run folder contains now.")
def about(request: Request) -> dict[str, Any]:
    served, watch = request.app.state.served, request.app.state.watch
    return {
        "name": served.path.name,
        "model": served.has_model(),
        "watch": watch,
        "photographs": request.app.state.photographs.is_at_hand,
        "report": served.file("report") is not None,
    }


@router.get("/model", summary="The model, its panels, and why some panels are not available.")
def model(request: Request) -> dict[str, Any]:
    loaded: LoadedRun = request.app.state.served.loaded()
    reasons, preprocess = loaded.reasons(), loaded.model.preprocess
    has_code = reasons["code"] is None
    return {
        "name": loaded.run.path.resolve().name,
        "data": loaded.run.metrics.get("data", {}).get("name") or loaded.run.config.data.source,
        "recipe": loaded.run.config.recipe,
        "shape": list(preprocess.raw_shape),
        "is_image": preprocess.is_image,
        "fits_png": loaded.fits_png,
        "denoises": isinstance(loaded.model, Denoiser),
        "columns": list(preprocess.columns or ())[:MOST_COLUMNS] if not preprocess.is_image else [],
        "fields": fields_of(preprocess),
        "decimals": list(preprocess.plain.decimals[:MOST_COLUMNS]) if preprocess.plain else [],
        "z_size": loaded.model.z_size,
        "parameters": loaded.model.n_parameters,
        "noise": loaded.model.config.noise,
        "dark": loaded.dark_border,
        "test": loaded.run.metrics.get("test", {}),
        "classes": loaded.classes if has_code else [],
        "units": loaded.units if has_code else [],
        "features": loaded.feature_names() if reasons["features"] is None else [],
        "reasons": reasons,
    }


@router.get("/pick", summary="A test sample to start from; another seed gives another one.")
def pick(
    request: Request, seed: int = Query(0, ge=0, lt=2**53), row: int | None = Query(None, ge=0, lt=2**53)
) -> dict[str, Any]:
    loaded: LoadedRun = request.app.state.served.loaded()
    raw, name, label = loaded.picked(row, seed)
    return {"id": name, "label": label, **packed(np.asarray(raw), "png", loaded.pictures), "exact": exact(loaded, raw)}


def fields_of(preprocess: Preprocess) -> list[dict[str, Any]]:
    """The content and format of each column, if columns are of several kinds."""
    modeled = preprocess.schema.modeled if preprocess.schema is not None else ()
    return [
        {
            "kind": column.kind,
            "levels": list(column.levels),
            "decimals": 0 if column.kind == "count" else column.decimals,
            "format": column.format,
            "zone": "+00:00" if column.zone == "UTC" else column.zone,
            "offset": zone_seconds(column.zone),
        }
        for column in modeled[:MOST_COLUMNS]
    ]


def exact(loaded: LoadedRun, raw: np.ndarray) -> list[Any] | None:
    """What to send back for the same sample: numbers, or None if its picture is enough."""
    return None if loaded.fits_png else numbers(np.asarray(raw))


@router.get("/map", summary="A thousand training codes in two dimensions.")
def map_(request: Request, method: Literal["auto", "pca", "tsne"] = "auto") -> dict[str, Any]:
    loaded: LoadedRun = request.app.state.served.loaded()
    with _charting:  # pages that open at the same time share one map
        if method not in loaded.charts:
            loaded.charts[method] = chart(loaded, method)
        return loaded.charts[method]


@router.get("/codes/{row}", summary="The training code of a point of the map.")
def code(request: Request, row: int) -> dict[str, Any]:
    loaded: LoadedRun = request.app.state.served.loaded()
    try:
        latent = loaded.latent
    except IsthmusError as error:
        raise HTTPException(404, error.message) from None
    row = place(row, len(latent.codes), "code")
    label = None if latent.labels is None or latent.labels[row] < 0 else latent.classes[latent.labels[row]]
    return {"id": latent.ids[row], "label": label, "z": latent.codes[row].tolist()}


__all__ = ["router"]
