"""`run.json`: the command, versions, hardware, seed and data of a run, so that it can be repeated and told apart."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from isthmus import __version__, files
from isthmus.data.split import Splits
from isthmus.errors import UsageError
from isthmus.prepare import Prepared
from isthmus.runs import Run

PACKAGES = ("torch", "numpy", "safetensors", "polars", "scikit-learn")


def new_record(prepared: Prepared, command: Sequence[str] | None) -> dict[str, Any]:
    """What is known before the first step."""
    return {
        "format": files.FORMAT,
        "command": shlex.join(command) if command else None,
        "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "ended": None,
        "seed": prepared.config.training.seed,
        "versions": versions(),
        "hardware": hardware(prepared),
        "data_sha256": fingerprint(prepared.splits),
        "deterministic": prepared.device.type == "cpu" or "not guaranteed: some GPU kernels add in any order",
        "said": list(prepared.said),
    }


def conditions_changed(run: Run, prepared: Prepared) -> list[str]:
    """Sentences on what differs from when `run` began, and may change the last bits of its weights.

    Raises: UsageError if the data differs: that would be another run.
    """
    before = run.record
    if before.get("data_sha256") != fingerprint(prepared.splits):
        message = f"the data is not what {run.path} began with ({prepared.config.data.source} has changed since)."
        fix = "bring the old data back, or train a new run with `isthmus train`"
        raise UsageError("USAGE-RESUME", message, fix=fix)
    now = {"versions": versions(), "hardware": hardware(prepared)}
    return [
        f"{key} is {value} now and was {before.get(what, {}).get(key)}; the weights may differ in the last bits"
        for what, values in now.items()
        for key, value in values.items()
        if before.get(what, {}).get(key) != value
    ]


def versions() -> dict[str, str]:
    """Of isthmus, Python and the packages that numbers come from."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"isthmus": __version__, "python": platform.python_version(), "platform": sys.platform} | found


def fingerprint(splits: Splits) -> str:
    """SHA-256 of the three sets: the same data in the same order gives the same words."""
    digest = hashlib.sha256()
    for samples in (splits.train, splits.validation, splits.test):
        digest.update(repr((samples.x.shape, str(samples.x.dtype))).encode())
        digest.update(np.ascontiguousarray(samples.x).data)
    return digest.hexdigest()


def hardware(prepared: Prepared) -> dict[str, Any]:
    """What the run is computed on."""
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
