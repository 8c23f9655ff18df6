"""Facts about this machine, for users whose run is slow or fails."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
from typing import Any

import torch

from isthmus.system.devices import pick_device, pick_precision
from isthmus.system.memory import available_bytes
from isthmus.version import __version__

OPTIONAL = {"scikit-image": "skimage", "fastapi": "fastapi", "onnxruntime": "onnxruntime"}


def examine() -> dict[str, Any]:
    """Versions, devices, memory and precision, as flat values."""
    device = pick_device("auto")
    free = available_bytes()
    found: dict[str, Any] = {
        "isthmus": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory free": f"{free / 2**30:.1f} GiB" if free is not None else "unknown",
        "device": device.type,
        "precision": pick_precision("auto", device),
        "ISTHMUS_DATA": os.environ.get("ISTHMUS_DATA", "not set"),
    }
    return found | {name: _version_of(name, module) for name, module in OPTIONAL.items()}


def _version_of(name: str, module: str) -> str:
    if importlib.util.find_spec(module) is None:
        return "not installed"
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # from another package, such as onnxruntime-gpu
        return "installed"
