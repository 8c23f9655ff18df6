"""A model and a gradient that are NaN in chosen training steps."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from isthmus.training.trainer import Trainer


class Poisoned(nn.Module):
    """A linear model whose output is NaN in training step `at` (counted from 1), which calls `then`."""

    def __init__(self, at: int, then: Any = None, D: int = 6) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.line = nn.Linear(D, D)
        self.at, self.then, self.steps = at, then, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        if self.training and self.steps == self.at:
            if self.then:
                self.then()
            return self.line(x) * math.nan
        return self.line(x)


def poison_gradient(trainer: Trainer, steps: tuple[int, ...]) -> None:
    """Makes one value of one gradient NaN in these steps, counted from 0."""

    whole = trainer.step.gradients

    def spoilt(*given: Any) -> Any:
        learned = whole(*given)
        if trainer.progress.step in steps:
            trainer.parameters[0].grad.view(-1)[0] = math.nan
        return learned

    spoilt.look = whole.look
    trainer.step.gradients = spoilt
