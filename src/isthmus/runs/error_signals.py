"""The two signals that anomaly scores are computed from: the reconstruction error of a sample, and its code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import log_ndtr
from torch import Tensor

from isthmus.data.batching.batches import in_order, resident
from isthmus.data.batching.encoding import Encoding
from isthmus.models.abstract_model import AbstractModel, evaluation
from isthmus.runs.latent import MOST_NUMBERS

EVIDENCE = "anomaly"  # the part of RUN/latent/ that holds the signals of validation samples
LEAST_ERROR = 1e-12  # a mean squared error that float32 cannot tell from zero


class ErrorSignals(NamedTuple):
    """Signals of n samples: `log_error` (n,), log of the mean squared error; `z` (n, Z), None if no density is fitted.

    `peaks` (n, K) is the result of the caller's `peaks` function on the errors of single values, or None; `near`
    (n, 2 or 3) is what `NeighborDistance` measures for rows of numbers.
    """

    log_error: np.ndarray
    z: np.ndarray | None
    peaks: np.ndarray | None = None
    near: np.ndarray | None = None


def error_signals(
    model: AbstractModel, data: Tensor, generator: torch.Generator | None = None, usual: np.ndarray | None = None,
    peaks: Callable[[Tensor], np.ndarray] | None = None,
) -> ErrorSignals:  # fmt: skip
    """Signals of a resident tensor or of network input (n, *shape), by a deterministic pass.

    If columns are of several kinds and `usual` (K,) is given, the error is a mean over the known columns: the cost of
    each when it is hidden and predicted from the others, divided by its usual cost. A cell that the network sees is
    mostly copied, right or wrong.

    With a generator, the noise of the training is added to the samples first. The error is that between input and
    output, noise included, because nothing else is known when the model is used. `peaks` turns the `gaps` of a batch
    into (B, K), for a model whose errors are squared ones: not for columns of several kinds.
    """
    logs, codes = [np.zeros(0)], [np.zeros((0, model.z_size), np.float32)]
    found = [] if peaks is None else [peaks(torch.zeros((0, *model.preprocess.shape), dtype=torch.float64))]
    with torch.no_grad(), evaluation(model):
        for x in in_order(data, model.preprocess, model.device) if len(data) else ():
            x_in = x if generator is None else model.judged_pair(x, generator).x_in
            params, code = model(x_in)
            x_hat = None if peaks is None else model.likelihood.mean(params.float())
            squares = (
                model.likelihood.errors(params.float(), x_in) if x_hat is None else (x_hat - x_in).square_()
            ).cpu()
            weights = model.preprocess.weights(x_in)
            squares = squares if weights is None else squares * weights.cpu()
            logs.append(log_errors(squares) if usual is None else log_surprise(model, x_in, usual))
            if has_density(model):
                codes.append(code.z.float().flatten(1).cpu().numpy())
            if peaks is not None and x_hat is not None:
                found.append(peaks(gaps(model, x_in, x_hat)))
    z = np.concatenate(codes) if has_density(model) else None
    return ErrorSignals(np.concatenate(logs), z, np.concatenate(found) if found else None)


def passes(model: AbstractModel, data: Tensor | np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
    """(x, x_hat) of all samples, chunk by chunk on the device, without noise or random draws."""
    if isinstance(data, np.ndarray):
        data = resident(data, model.preprocess, model.device)
    with torch.no_grad(), evaluation(model):
        for x in in_order(data, model.preprocess, model.device):
            yield x, model.x_hat(x)


def gaps(model: AbstractModel, x: Tensor, x_hat: Tensor) -> Tensor:
    """x_hat - x on the CPU; 0 where x is transparent."""
    seen = model.preprocess.known_only(x, x_hat) if model.preprocess.alpha else x_hat
    return (seen - x).cpu()


def log_surprise(model: AbstractModel, x: Tensor, usual: np.ndarray) -> np.ndarray:
    """The log of the mean, over the columns of a row, of `hidden_costs` divided by the usual costs, (n,)."""
    encoding = _encoding(model)
    there = (~encoding.missing(x)).sum(1).clamp(min=1).cpu()
    costs = hidden_costs(model, x) / torch.from_numpy(usual)
    return (costs.sum(1) / there + LEAST_ERROR).log().numpy()


def hidden_costs(model: AbstractModel, x: Tensor) -> Tensor:
    """The cost of each column of x (n, D) when only that column is hidden from the model, (n, K) float64 on the CPU; 0
    for a missing value. The model must be in evaluation mode.
    """
    encoding = _encoding(model)
    K, found = len(encoding.blocks), []
    for k in range(K):
        hidden = torch.zeros(len(x), K, dtype=torch.bool, device=x.device)
        hidden[:, k] = True
        params = model(encoding.hidden(x, hidden)).params.float()
        found.append(model.likelihood.errors(params, x)[:, k].cpu().double())
    return torch.stack(found, 1)


def _encoding(model: AbstractModel) -> Encoding:
    encoding = model.preprocess.encoding
    assert encoding is not None
    return encoding


def log_errors(squares: Tensor) -> np.ndarray:
    """The log of each sample's mean squared error, (n,), from squared errors (n, ...)."""
    return (squares.flatten(1).mean(1, dtype=torch.float64) + LEAST_ERROR).log().numpy()


def error_nats(log_error: np.ndarray, center: float, width: float) -> np.ndarray:
    """-log P(a normal sample's error is as large), if the logarithms of such errors are normally distributed."""
    return -log_ndtr((center - log_error) / width)


def has_density(model: AbstractModel) -> bool:
    """Whether the model has a code that is small enough to fit a density to."""
    return model.has_code and model.z_size <= MOST_NUMBERS


__all__ = [
    "ErrorSignals", "error_nats", "error_signals", "gaps", "has_density", "hidden_costs", "log_errors", "log_surprise",
    "passes",
]  # fmt: skip
