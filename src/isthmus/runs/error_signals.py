"""The two signals that tell how strange samples are to a model: the error of their reconstruction, and their code."""

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
LEAST_ERROR = 1e-12  # a mean squared error that float32 cannot tell from none


class ErrorSignals(NamedTuple):
    """Of n samples: `log_error` (n,), log of the mean squared error; `z` (n, Z), None where no density is fitted.

    `peaks` (n, K) is what was asked of the errors of single values, None where nothing was; `near` (n, 2) what
    `NeighborDistance` measures of rows of numbers.
    """

    log_error: np.ndarray
    z: np.ndarray | None
    peaks: np.ndarray | None = None
    near: np.ndarray | None = None


def error_signals(
    model: AbstractModel, data: Tensor, generator: torch.Generator | None = None, usual: np.ndarray | None = None,
    peaks: Callable[[Tensor], np.ndarray] | None = None,
) -> ErrorSignals:  # fmt: skip
    """Of a resident tensor or of network input (n, *shape), by a pass that draws nothing.

    Where columns are of several kinds and `usual` (K,) is given, the error is the mean over the columns there are of
    what each costs where it is hidden, over its usual cost: what the others say of it. A cell that the network sees it
    mostly copies, right or wrong.

    With a generator the samples get the noise of the training before. The error is that between what goes in and what
    comes out, noise included: at use nothing else is known. `peaks` makes (B, K) of the `gaps` of a batch.
    """
    logs, codes = [np.zeros(0)], [np.zeros((0, model.z_size), np.float32)]
    found = [] if peaks is None else [peaks(torch.zeros((0, *model.preprocess.shape), dtype=torch.float64))]
    with torch.no_grad(), evaluation(model):
        for x in in_order(data, model.preprocess, model.device) if len(data) else ():
            x_in = x if generator is None else model.judged_pair(x, generator).x_in
            params, code = model(x_in)
            squares = model.likelihood.errors(params.float(), x_in).cpu()
            weights = model.preprocess.weights(x_in)
            squares = squares if weights is None else squares * weights.cpu()
            logs.append(log_errors(squares) if usual is None else log_surprise(model, x_in, usual))
            if has_density(model):
                codes.append(code.z.float().flatten(1).cpu().numpy())
            if peaks is not None:
                found.append(peaks(gaps(model, x_in, model.likelihood.mean(params.float()))))
    z = np.concatenate(codes) if has_density(model) else None
    return ErrorSignals(np.concatenate(logs), z, np.concatenate(found) if found else None)


def passes(model: AbstractModel, data: Tensor | np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
    """(x, x_hat) of all samples, chunk by chunk on the device, without noise and without drawing."""
    if isinstance(data, np.ndarray):
        data = resident(data, model.preprocess, model.device)
    with torch.no_grad(), evaluation(model):
        for x in in_order(data, model.preprocess, model.device):
            yield x, model.x_hat(x)


def gaps(model: AbstractModel, x: Tensor, x_hat: Tensor) -> Tensor:
    """x_hat - x on the processor; 0 where x is not seen for its transparency."""
    seen = model.preprocess.known_only(x, x_hat) if model.preprocess.alpha else x_hat
    return (seen - x).cpu()


def log_surprise(model: AbstractModel, x: Tensor, usual: np.ndarray) -> np.ndarray:
    """The log of the mean over a row's columns of its `hidden_costs` over the usual ones, (n,)."""
    encoding = _encoding(model)
    there = (~encoding.missing(x)).sum(1).clamp(min=1).cpu()
    costs = hidden_costs(model, x) / torch.from_numpy(usual)
    return (costs.sum(1) / there + LEAST_ERROR).log().numpy()


def hidden_costs(model: AbstractModel, x: Tensor) -> Tensor:
    """What each column of x (n, D) costs where it alone is hidden from the model, (n, K) float64 on the processor; 0
    for a gap. The model is in evaluation mode.
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
    """The log of the mean over each sample's squared errors (n, ...), (n,)."""
    return (squares.flatten(1).mean(1, dtype=torch.float64) + LEAST_ERROR).log().numpy()


def error_nats(log_error: np.ndarray, center: float, width: float) -> np.ndarray:
    """-log P(a usual sample's error is as large), where the logarithms of usual errors are normal."""
    return -log_ndtr((center - log_error) / width)


def has_density(model: AbstractModel) -> bool:
    """Whether the model has a code of so few numbers that a density can be fitted to it."""
    return model.has_code and model.z_size <= MOST_NUMBERS


__all__ = [
    "ErrorSignals", "error_nats", "error_signals", "gaps", "has_density", "hidden_costs", "log_errors", "log_surprise",
    "passes",
]  # fmt: skip
