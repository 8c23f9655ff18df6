"""The moving average of the weights: its formula, the unchanged training, and checkpoints."""

from __future__ import annotations

import torch
from torch import nn

from isthmus.training.averaging import AveragedWeights


def test_the_average_follows_its_formula() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    averaged, expected = AveragedWeights(model, 0.5), 0.0
    for step, value in enumerate([1.0, -2.0, 4.0, 8.0, 3.0]):
        nn.init.constant_(model.weight, value)
        averaged.update(step)
        d = min(0.5, (1 + step) / (10 + step))
        expected = d * expected + (1 - d) * value
        assert abs(float(averaged.average[0]) - expected) < 1e-6  # float32 has seven digits


def test_inside_the_model_is_the_average_and_afterwards_what_was_trained() -> None:
    model = nn.Linear(3, 2)
    averaged, start = AveragedWeights(model, 0.9), model.weight.detach().clone()
    nn.init.ones_(model.weight)
    with averaged.in_place():
        assert torch.equal(model.weight, start)
    assert torch.equal(model.weight, torch.ones(2, 3))


def test_it_comes_back_from_what_a_checkpoint_keeps() -> None:
    model = nn.Linear(3, 2)
    averaged = AveragedWeights(model, 0.9)
    nn.init.ones_(model.weight)
    averaged.update(5)
    kept = {name: value.clone() for name, value in averaged.tensors().items()}
    other = AveragedWeights(nn.Linear(3, 2), 0.9)
    other.restore(kept)
    assert all(torch.equal(a, b) for a, b in zip(other.average, averaged.average, strict=True))
