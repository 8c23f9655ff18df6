"""isthmus trains, judges and uses autoencoders.

Everything here is imported when it is first used, so that `import isthmus` and `isthmus --help` answer at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "AutoEncoder": "estimator",
    "Config": "config",
    "IsthmusError": "errors",
    "Model": "model",
    "Monitor": "training.monitor",
    "Run": "running.runs",
    "check": "data.check",
    "evaluate": "running.evaluating",
    "fit": "running.pipeline",
    "linear_block": "parts.networks",
    "load": "running.runs",
    "read": "data.sources",
    "resume": "running.resuming",
    "train": "running.pipeline",
}

__all__ = [
    "AutoEncoder",
    "Config",
    "IsthmusError",
    "Model",
    "Monitor",
    "Run",
    "check",
    "evaluate",
    "fit",
    "linear_block",
    "load",
    "read",
    "resume",
    "train",
]

if TYPE_CHECKING:
    from isthmus.config import Config
    from isthmus.data.checks.check import check
    from isthmus.data.sources import read
    from isthmus.errors import IsthmusError
    from isthmus.estimator import AutoEncoder
    from isthmus.models.autoencoder import Model
    from isthmus.parts.networks import linear_block
    from isthmus.pipeline.evaluate import evaluate
    from isthmus.pipeline.resume import resume
    from isthmus.pipeline.train import fit, train
    from isthmus.runs.folder import Run, load
    from isthmus.training.monitor import Monitor


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'isthmus' has no attribute {name!r}")
    return getattr(import_module(f"isthmus.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
