"""`run.json`: the command, versions, hardware, seed and data of a run, so that it can be repeated and identified."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from isthmus.config import Config
from isthmus.data.batching.split import Splits
from isthmus.data.numeric import blocks
from isthmus.system import files
from isthmus.training.prepared import Prepared
from isthmus.version import __version__
from isthmus.wording import shell_word

PACKAGES = ("torch", "numpy", "safetensors", "polars", "scikit-learn")


def new_record(prepared: Prepared, command: Sequence[str] | None) -> dict[str, Any]:
    """The record as known before the first step."""
    data = digests(prepared.splits)
    return {
        "format": files.FORMAT,
        "command": " ".join(map(shell_word, command)) if command else None,
        "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "ended": None,
        "seed": prepared.config.training.seed,
        "versions": versions(),
        "hardware": hardware(prepared),
        "settings": as_recorded(prepared.config),
        "data_sha256": data_fingerprint(data),
        "data": data,
        "deterministic": prepared.device.type == "cpu" or "not guaranteed: some GPU kernels add in any order",
        "said": list(prepared.said),
    }


def versions() -> dict[str, str]:
    """Versions of isthmus, Python and the packages that results depend on."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"isthmus": __version__, "python": platform.python_version(), "platform": sys.platform} | found


def as_recorded(config: Config) -> dict[str, Any]:
    """The settings as stored in `run.json`, so that an edit of `config.toml` is noticed."""
    return json.loads(json.dumps(files.finite_or_null(config.as_dict())))


def digests(splits: Splits) -> dict[str, dict[str, Any]]:
    """Number, shape, type and SHA-256 of the samples of each of the three sets."""
    return {role: _digest(getattr(splits, role).both) for role in ("train", "validation", "test")}


def _digest(x: np.ndarray) -> dict[str, Any]:
    digest = hashlib.sha256()
    for part in blocks(x):
        digest.update(np.ascontiguousarray(part).data)
    return {"n": len(x), "shape": list(x.shape[1:]), "dtype": str(x.dtype), "sha256": digest.hexdigest()}


def data_fingerprint(digests_found: dict[str, dict[str, Any]]) -> str:
    """SHA-256 of the `digests` of three sets: the same data in the same order gives the same value."""
    return hashlib.sha256(json.dumps(digests_found, sort_keys=True).encode()).hexdigest()


def hardware(prepared: Prepared) -> dict[str, Any]:
    """The hardware that the run uses."""
    device, threads = prepared.device, prepared.config.training.threads
    found = {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": threads,
        "device": device.type,
    }
    if device.type == "cuda":
        found["gpu"] = torch.cuda.get_device_name(device)
    return found
