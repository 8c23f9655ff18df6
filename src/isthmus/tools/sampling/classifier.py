"""`Classifier`: a small network trained on real samples and their labels, used to judge generated samples."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from isthmus.data.batching.batches import CHUNK
from isthmus.errors import DataError, ModelFileError
from isthmus.models.abstract_model import evaluation
from isthmus.parts import networks
from isthmus.randomness import generator_for
from isthmus.runs.folder import RunFolder
from isthmus.system.progress import tell
from isthmus.training.prepared import Prepared

PART = "classifier"
HIDDEN, N_FEATURES = 256, 64
# 1,000 steps of 128 take 4 s on one core: 97.2 % on MNIST, 91 % on 1,600 digits; twice as many reach 97.8 and 92.
STEPS, BATCH, LR, DROPOUT = 1_000, 128, 4e-3, 0.3
MOST_SAMPLES = 60_000  # more would not be used in that many steps
MOST_VALUES = 4_096  # 64 x 64: larger images are averaged over squares; otherwise training would take minutes
WARMUP = 0.1  # share of the steps in which the learning rate rises


@dataclass(frozen=True)
class Classifier:
    """D-256-64-K, trained on the training samples. `accuracy` is the share of correct answers on `n_test` samples."""

    network: nn.Sequential
    classes: tuple[str, ...]
    accuracy: float
    n_test: int

    def features(self, x: Tensor) -> Tensor:
        """The last hidden layer (N, 64) of network input x (N, *shape)."""
        return self._through(x, self.network[:-1])

    def logits(self, x: Tensor) -> Tensor:
        """(N, K), before the softmax."""
        return self._through(x, self.network)

    def predict(self, x: Tensor) -> Tensor:
        """The most likely class of each sample (N,), as an index into `classes`."""
        return self.logits(x).argmax(1)

    def _through(self, x: Tensor, layers: nn.Module) -> Tensor:
        with torch.no_grad(), evaluation(self.network):
            return torch.cat([layers(part) for part in x.split(CHUNK)])


def classifier_of(run: RunFolder) -> Classifier:
    """The run's classifier: from `latent/classifier`, or newly trained on the run's data and saved there.

    Raises: DataError if the data is needed and cannot be read, or has fewer than two classes.
    """
    artifacts, preprocess = run.artifacts, run.model.preprocess
    if artifacts.has(PART):
        about, arrays = artifacts.get(PART)
        try:
            found = Classifier(
                _network(preprocess.shape, len(about["classes"])),
                tuple(about["classes"]),
                float(about["accuracy"]),
                int(about["n_test"]),
            )
            found.network.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            message = f"{artifacts.folder / PART} cannot be used: {str(error).splitlines()[0]}."
            raise ModelFileError("LATENT-FILE", message, fix=artifacts.remedy(PART)) from None
        return found
    tell("training a classifier to judge samples")
    found = train_classifier(run.prepared)
    about = {"classes": found.classes, "accuracy": found.accuracy, "n_test": found.n_test}
    artifacts.keep(PART, about, {name: value.numpy() for name, value in found.network.state_dict().items()})
    return found


def train_classifier(prepared: Prepared) -> Classifier:
    """A classifier trained on the training samples and tested on the test samples; the same for the same data and seed.

    Raises: DataError for data with fewer than two classes.
    """
    seed, splits, classes = prepared.config.training.seed, prepared.splits, prepared.splits.train.classes
    if splits.train.labels is None or len(classes) < 2:
        message = f"{splits.train.name} has no labels with at least two classes, so no classifier can be trained."
        raise DataError("DATA-LABEL", message, fix="name the label column with --label")
    stride = -(-len(splits.train) // MOST_SAMPLES)
    x, labels = prepared.x(splits.train, MOST_SAMPLES), torch.from_numpy(splits.train.labels[::stride])
    x, labels = x[labels >= 0], labels[labels >= 0]
    network = _network(prepared.preprocess.shape, len(classes))
    networks.initialize(network, "silu", generator_for(seed, PART, "weights"), scheme="orthogonal")
    _fit(network, x, labels, seed)
    found = Classifier(network.eval(), classes, 0.0, 0)
    if splits.test.labels is None:
        return found
    test, truth = prepared.x(splits.test), torch.from_numpy(splits.test.labels)
    test, truth = test[truth >= 0], truth[truth >= 0]
    right = float((found.predict(test) == truth).double().mean()) if len(test) else 0.0
    return Classifier(found.network, classes, right, len(test))


def _network(shape: tuple[int, ...], n_classes: int) -> nn.Sequential:
    """The network without initial weights: drawing them here would use the global generator."""
    side = pooled(shape)
    n_values = math.prod(shape[:-2]) * math.prod(-(-n // side) for n in shape[-2:])
    flat = nn.Flatten() if side == 1 else nn.Sequential(nn.AvgPool2d(side, ceil_mode=True), nn.Flatten())
    with torch.device("meta"):
        hidden = nn.Linear(n_values, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, N_FEATURES), nn.SiLU()
        network = nn.Sequential(flat, *hidden, nn.Linear(N_FEATURES, n_classes))
    return network.to_empty(device="cpu").eval()


def pooled(shape: tuple[int, ...]) -> int:
    """The side of the squares over which images (C, H, W) are averaged; 1 for small ones, and for rows (D,)."""
    return 1 if len(shape) < 3 else max(1, math.ceil(math.sqrt(math.prod(shape) / MOST_VALUES)))


def _fit(network: nn.Sequential, x: Tensor, labels: Tensor, seed: int) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=STEPS, pct_start=WARMUP)
    generator = generator_for(seed, PART, "batches")
    network.train()
    for _ in range(STEPS):
        rows = torch.randint(len(x), (min(BATCH, len(x)),), generator=generator)
        h = x[rows]
        for layer in network:
            h = layer(h)
            if isinstance(layer, nn.SiLU):  # own dropout, because torch's uses the global generator
                kept = torch.rand(h.shape, generator=generator) >= DROPOUT
                h = h * kept / (1 - DROPOUT)
        optimizer.zero_grad()
        cross_entropy(h, labels[rows]).backward()
        optimizer.step()
        schedule.step()


__all__ = ["Classifier", "classifier_of", "train_classifier"]
