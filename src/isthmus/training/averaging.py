"""A moving average of the weights, which is evaluated and saved after each epoch instead of the trained weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class AveragedWeights:
    """average <- average + (1 - d) (weights - average) after each step, with d = min(decay, (1 + step) / (10 + step)).

    Because d starts small, the first weights are soon forgotten. No step waits for the device.

    Source: Polyak and Juditsky 1992, SIAM J. Control and Optimization 30(4); the ramp is that of TensorFlow's
    `ExponentialMovingAverage`.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.names, self.weights = [], []
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                self.names.append(name)
                self.weights.append(parameter)
        self.decay = decay
        self.average = [weight.detach().clone() for weight in self.weights]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Updates the average with the weights after the step with this number, counted from 0."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.average, self.weights, share)  # pyright: ignore[reportPrivateImportUsage]

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside the block, the model's weights are the average."""
        trained = [weight.detach().clone() for weight in self.weights]
        self._put(self.average)
        try:
            yield
        finally:
            self._put(trained)

    @torch.no_grad()
    def _put(self, values: Sequence[Tensor]) -> None:
        for weight, value in zip(self.weights, values, strict=True):
            weight.copy_(value)

    def tensors(self) -> dict[str, Tensor]:
        """The averages by name, for a checkpoint."""
        return dict(zip(self.names, self.average, strict=True))

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restores what `tensors` returned. Raises: KeyError if a weight is missing."""
        for name, average in zip(self.names, self.average, strict=True):
            average.copy_(tensors[name])
