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
    "Monitor": "monitor",
    "Run": "runs",
    "check": "data.check",
    "evaluate": "evaluating",
    "fit": "pipeline",
    "linear_block": "networks",
    "load": "runs",
    "read": "data.sources",
    "resume": "resuming",
    "train": "pipeline",
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
    from isthmus.data.check import check
    from isthmus.data.sources import read
    from isthmus.errors import IsthmusError
    from isthmus.estimator import AutoEncoder
    from isthmus.evaluating import evaluate
    from isthmus.model import Model
    from isthmus.monitor import Monitor
    from isthmus.networks import linear_block
    from isthmus.pipeline import fit, train
    from isthmus.resuming import resume
    from isthmus.runs import Run, load


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'isthmus' has no attribute {name!r}")
    return getattr(import_module(f"isthmus.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
