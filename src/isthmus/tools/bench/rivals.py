"""Training loops of other packages, if they are installed, on the same network and images.

Each one is used as its documentation shows, with the same layers, batches of 64, and Adam or AdamW. One-time work such
as compiling is done in a short first call, which does not count.
"""

from __future__ import annotations

import io
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from isthmus.tools.bench.loops import BATCH, WIDTHS, network


class Rival(NamedTuple):
    """A package: its display name, the module to import, and images (N, 784) in [0, 1] -> images per second."""

    name: str
    module: str
    run: Callable[[np.ndarray], float]


def lightning(flat: np.ndarray) -> float:
    """Lightning's Trainer without logger, checkpoints or progress bar."""
    import lightning as library  # pyright: ignore[reportMissingImports]

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Network(library.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.network = network()

        def training_step(self, batch: Any, index: int) -> Any:
            (x,) = batch
            return functional.binary_cross_entropy_with_logits(self.network(x), x)

        def configure_optimizers(self) -> Any:
            return torch.optim.AdamW(self.parameters(), lr=1e-3)

    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = library.Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **quiet)
    loader = DataLoader(TensorDataset(torch.from_numpy(flat)), batch_size=BATCH, shuffle=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begun = time.perf_counter()
        trainer.fit(Network(), loader)
        return len(flat) / (time.perf_counter() - begun)


def keras(flat: np.ndarray) -> float:
    """Keras's `fit`, on JAX unless another backend is set."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    import keras as library  # pyright: ignore[reportMissingImports]

    layers = [library.layers.Dense(width, activation="silu") for width in WIDTHS[1:-1]]
    model = library.Sequential([library.Input((WIDTHS[0],)), *layers, library.layers.Dense(WIDTHS[-1])])
    loss = library.losses.BinaryCrossentropy(from_logits=True)
    model.compile(optimizer=library.optimizers.AdamW(1e-3), loss=loss)
    model.fit(flat[: 4 * BATCH], flat[: 4 * BATCH], batch_size=BATCH, epochs=1, verbose=0)
    begun = time.perf_counter()
    model.fit(flat, flat, batch_size=BATCH, epochs=1, verbose=0)
    return len(flat) / (time.perf_counter() - begun)


def skorch(flat: np.ndarray) -> float:
    """skorch's NeuralNetRegressor without a validation split."""
    import skorch as library  # pyright: ignore[reportMissingImports]

    about = {"criterion": nn.BCEWithLogitsLoss, "optimizer": torch.optim.AdamW, "lr": 1e-3, "batch_size": BATCH}
    net = library.NeuralNetRegressor(
        network, **about, max_epochs=1, train_split=None, verbose=0, iterator_train__shuffle=True
    )
    begun = time.perf_counter()
    net.fit(flat, flat)
    return len(flat) / (time.perf_counter() - begun)


def scikit_learn(flat: np.ndarray) -> float:
    """scikit-learn's MLPRegressor: ReLU, squared error, Adam."""
    from sklearn.neural_network import MLPRegressor  # late: slow to import

    net = MLPRegressor(hidden_layer_sizes=WIDTHS[1:-1], batch_size=BATCH, max_iter=1, learning_rate_init=1e-3)  # pyright: ignore[reportArgumentType]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one epoch is too few to converge
        begun = time.perf_counter()
        net.fit(flat, flat)
        return len(flat) / (time.perf_counter() - begun)


def pythae(flat: np.ndarray) -> float:
    """pythae's trainer with its plain autoencoder."""
    from pythae import models, trainers  # pyright: ignore[reportMissingImports]
    from pythae.data import datasets  # pyright: ignore[reportMissingImports]
    from pythae.models import nn as parts  # pyright: ignore[reportMissingImports]
    from pythae.models.base import base_utils as outputs  # pyright: ignore[reportMissingImports]

    logging.getLogger("pythae").setLevel(logging.ERROR)
    whole = network()

    class PythaeEncoder(parts.BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = whole[:5]

        def forward(self, x: Any) -> Any:
            return outputs.ModelOutput(embedding=self.layers(x.flatten(1)))

    class PythaeDecoder(parts.BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = whole[5:]

        def forward(self, z: Any) -> Any:
            return outputs.ModelOutput(reconstruction=self.layers(z).sigmoid())

    model = models.AE(models.AEConfig(input_dim=(WIDTHS[0],), latent_dim=WIDTHS[3]), PythaeEncoder(), PythaeDecoder())
    data = datasets.BaseDataset(torch.from_numpy(flat), torch.zeros(len(flat)))
    with tempfile.TemporaryDirectory() as out, redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        settings = {"num_epochs": 1, "per_device_train_batch_size": BATCH, "learning_rate": 1e-3, "no_cuda": True}
        config = trainers.BaseTrainerConfig(output_dir=out, **settings)
        trainer = trainers.BaseTrainer(model, data, training_config=config)
        trainer.prepare_training()
        begun = time.perf_counter()
        trainer.train_step(1)
        return len(flat) / (time.perf_counter() - begun)


RIVALS = (
    Rival("Lightning", "lightning", lightning),
    Rival("Keras", "keras", keras),
    Rival("skorch", "skorch", skorch),
    Rival("pythae", "pythae", pythae),
    Rival("scikit-learn's MLPRegressor", "sklearn", scikit_learn),
)
