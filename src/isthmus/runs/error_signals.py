"""The two signals that tell how strange samples are to a model: the error of their reconstruction, and their code."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor

from isthmus.data.batching.batches import in_order
from isthmus.models.abstract_model import AbstractModel, evaluation
from isthmus.runs.latent import MOST_NUMBERS

EVIDENCE = "anomaly"  # the part of RUN/latent/ that holds the signals of validation samples
LEAST_ERROR = 1e-12  # a mean squared error that float32 cannot tell from none


class ErrorSignals(NamedTuple):
    """Of n samples: `log_error` (n,), log of the mean squared error; `z` (n, Z), None where no density is fitted."""

    log_error: np.ndarray
    z: np.ndarray | None


def error_signals(model: AbstractModel, data: Tensor, generator: torch.Generator | None = None) -> ErrorSignals:
    """Of a resident tensor or of network input (n, *shape), by a pass that draws nothing.

    With a generator the samples get the noise of the training before. The error is that between what goes in and what
    comes out, noise included: at use nothing else is known.
    """
    logs, codes = [np.zeros(0)], [np.zeros((0, model.z_size), np.float32)]
    with torch.no_grad(), evaluation(model):
        for x in in_order(data, model.preprocess, model.device) if len(data) else ():
            x_in = x if generator is None else model.judged_pair(x, generator).x_in
            params, code = model(x_in)
            logs.append(log_errors((model.likelihood.mean(params.float()) - x_in).cpu().double().square()))
            if has_density(model):
                codes.append(code.z.float().flatten(1).cpu().numpy())
    return ErrorSignals(np.concatenate(logs), np.concatenate(codes) if has_density(model) else None)


def log_errors(squares: Tensor) -> np.ndarray:
    """The log of the mean over each sample's squared errors (n, ...), (n,)."""
    return (squares.flatten(1).mean(1) + LEAST_ERROR).log().numpy()


def error_nats(log_error: np.ndarray, center: float, width: float) -> np.ndarray:
    """-log P(a usual sample's error is as large), where the logarithms of usual errors are normal."""
    return -norm.logsf((log_error - center) / width)


def has_density(model: AbstractModel) -> bool:
    """Whether the model has a code of so few numbers that a density can be fitted to it."""
    return model.has_code and model.z_size <= MOST_NUMBERS


__all__ = ["ErrorSignals", "error_nats", "error_signals", "has_density", "log_errors"]
