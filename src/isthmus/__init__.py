"""isthmus trains, judges and uses autoencoders.

Everything is imported on first use, so that `import isthmus` and `isthmus --help` are fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from isthmus.version import __version__ as __version__

_HOMES = {
    "AutoEncoder": "estimator",
    "Config": "config",
    "IsthmusError": "errors",
    "Model": "models.autoencoder",
    "Monitor": "api",
    "Run": "api",
    "check": "data.check",
    "evaluate": "pipeline.evaluate",
    "finish": "api",
    "fit": "api",
    "linear_block": "parts.networks",
    "load": "runs.finding",
    "read": "data.read",
    "resume": "api",
    "train": "api",
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
    "finish",
    "fit",
    "linear_block",
    "load",
    "read",
    "resume",
    "train",
]

if TYPE_CHECKING:
    from isthmus.api import Monitor, Run, finish, fit, resume, train
    from isthmus.config import Config
    from isthmus.data.check import check
    from isthmus.data.read import read
    from isthmus.errors import IsthmusError
    from isthmus.estimator import AutoEncoder
    from isthmus.models.autoencoder import Model
    from isthmus.parts.networks import linear_block
    from isthmus.pipeline.evaluate import evaluate
    from isthmus.runs.finding import load


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'isthmus' has no attribute {name!r}")
    return getattr(import_module(f"isthmus.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
