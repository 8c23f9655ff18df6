"""Three ways to train the same network: the matrix products alone, isthmus, and a loop over a DataLoader."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from isthmus.recipes import resolve
from isthmus.training import prepare
from isthmus.training.display import Quiet
from isthmus.training.monitor import TrainingMonitor
from isthmus.training.prepared import IN_MEMORY, Prepared
from isthmus.training.trainer import Trainer

BATCH = 64
WIDTHS = (784, 512, 256, 32, 256, 512, 784)


def network() -> nn.Sequential:
    """784-512-256-32-256-512-784 with SiLU, a linear code and logits."""
    layers: list[nn.Module] = []
    for i, (width_in, width_out) in enumerate(pairwise(WIDTHS)):
        layers.append(nn.Linear(width_in, width_out))
        layers += [] if i in {2, 5} else [nn.SiLU()]
    return nn.Sequential(*layers)


def floor(n: int, precision: str) -> float:
    """Images per second of only the matrix products of a step, forward and backward, in the same precision.

    No training loop with such steps can be faster.
    """
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    weights = [torch.randn(b, a, dtype=dtype) for a, b in pairwise(WIDTHS)]
    inputs = [torch.randn(BATCH, a, dtype=dtype) for a in WIDTHS[:-1]]
    gradients = [torch.randn(BATCH, b, dtype=dtype) for b in WIDTHS[1:]]
    _products(weights, inputs, gradients)
    begun = time.perf_counter()
    for _ in range(n // BATCH):
        _products(weights, inputs, gradients)
    return n // BATCH * BATCH / (time.perf_counter() - begun)


def _products(weights: list[Tensor], inputs: list[Tensor], gradients: list[Tensor]) -> None:
    for i, (weight, x, gradient) in enumerate(zip(weights, inputs, gradients, strict=True)):
        torch.mm(x, weight.T)
        torch.mm(gradient.T, x)
        if i:  # the input itself needs no gradient
            torch.mm(gradient, weight)


def ours_prepared(images: np.ndarray) -> Prepared:
    """isthmus with its default recipe, ready to train on images (N, 1, 28, 28) for one epoch."""
    model = {"network": "mlp", "hidden": WIDTHS[1:3], "z_size": WIDTHS[3]}
    settings = {"data": {"source": IN_MEMORY}, "model": model, "training": {"epochs": 1, "batch_size": BATCH}}
    config = resolve(settings)
    return prepare.prepare(config, prepare.read_splits(config, images, Quiet()))


def ours(prepared: Prepared) -> float:
    """Images per second of the training steps, as a run reports them."""
    model = prepare.fresh_model(prepared)
    few = prepared.tensor(prepared.splits.validation)[:BATCH]
    trainer = Trainer(model, prepare.batches_of(prepared), few, prepared.config.training, TrainingMonitor(model))
    return trainer.run(lambda row: None, lambda progress: None).samples_per_second


def plain_loop(flat: np.ndarray) -> float:
    """Images per second of the loop in PyTorch's tutorials, over a TensorDataset; images (N, 784) in [0, 1]."""
    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(torch.from_numpy(flat)), batch_size=BATCH, shuffle=True)
    begun = time.perf_counter()
    for (x,) in loader:
        optimizer.zero_grad()
        functional.binary_cross_entropy_with_logits(model(x), x).backward()
        optimizer.step()
    return len(flat) / (time.perf_counter() - begun)
