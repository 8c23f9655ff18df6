"""Training speed side by side in one process: the notebook's stack, a bare loop, and isthmus, on MNIST at batch 64.

    ISTHMUS_DATA=… python benchmarks/speed.py [--rounds 5] [--images 12800] [--threads N]

Rounds are interleaved, so that other programs on the machine disturb all three equally; medians and ratios are printed.
The notebook's stack is torchvision's MNIST with Grayscale and ToTensor, batched by two workers. If torchvision is not
installed, the same work is done by code in this file (a PIL image of every sample, gray, a tensor). That takes 62
microseconds per sample, and torchvision itself takes 75 to 92, timed in turns on one core.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from isthmus.config import Config
from isthmus.parts.networks import ACTIVATIONS
from isthmus.recipes import resolve
from isthmus.training import prepare
from isthmus.training.display import Quiet
from isthmus.training.monitor import TrainingMonitor
from isthmus.training.trainer import Trainer

BATCH = 64


class ToGray:
    """As torchvision's Grayscale does with a PIL image."""

    def __call__(self, image: Image.Image) -> Image.Image:
        return image.convert("L")


class ToTensor:
    """As torchvision's ToTensor does with a PIL image: copy, reorder to (C, H, W), scale to [0, 1]."""

    def __call__(self, image: Image.Image) -> Tensor:
        pixels = torch.from_numpy(np.array(image, np.uint8, copy=True))
        pixels = pixels.view(image.size[1], image.size[0], len(image.getbands()))
        return pixels.permute((2, 0, 1)).contiguous().to(torch.get_default_dtype()).div(255)


class PilImages(Dataset):
    """What torchvision's MNIST does for every sample: a tensor to a PIL image, the transforms, and the label."""

    def __init__(self, images: np.ndarray) -> None:
        self.data, self.targets = torch.from_numpy(images), torch.zeros(len(images), dtype=torch.long)
        self.transforms = [ToGray(), ToTensor()]

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        image, target = Image.fromarray(self.data[i].numpy()), int(self.targets[i])
        for transform in self.transforms:
            image = transform(image)
        return image, target


def notebook_data(images: np.ndarray) -> Dataset:
    """torchvision's MNIST with the notebook's transforms, or the same work without torchvision."""
    try:
        from torchvision import datasets, transforms  # pyright: ignore[reportMissingImports]
    except ImportError:
        return PilImages(images)
    data = datasets.MNIST.__new__(datasets.MNIST)  # without its download: the images are here
    data.data, data.targets = torch.from_numpy(images), torch.zeros(len(images), dtype=torch.long)
    data.transform = transforms.Compose([transforms.Grayscale(), transforms.ToTensor()])
    data.target_transform = None
    return data


def network(activation: str, code: nn.Module, output: nn.Module) -> nn.Sequential:
    """784-512-256-32-256-512-784."""
    widths, layers = [784, 512, 256, 32, 256, 512, 784], []
    for i in range(6):
        layers.append(nn.Linear(widths[i], widths[i + 1]))
        layers.append({2: code, 5: output}.get(i) or ACTIVATIONS[activation]())
    return nn.Sequential(*layers)


def notebook(images: np.ndarray) -> float:
    """Images per second of the notebook's stack, after its workers have started."""
    model = network("sigmoid", nn.Sigmoid(), nn.Sigmoid())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loader = DataLoader(notebook_data(images), batch_size=BATCH, shuffle=True, num_workers=2)
    batches = iter(loader)
    next(batches)
    begun, n, cost = time.perf_counter(), 0, 0.0
    for feature, _target in batches:
        x = feature.flatten(1)
        optimizer.zero_grad()
        loss = F.binary_cross_entropy(model(x), x)
        loss.backward()
        optimizer.step()
        cost += loss.item() * len(x)
        n += len(x)
    return n / (time.perf_counter() - begun)


def bare(images: np.ndarray, activation: str) -> float:
    """Images per second of the shortest loop over one tensor that trains the same network, fused AdamW, float32."""
    seed = activation == "sigmoid"  # with the notebook's criterion: cross-entropy of probabilities
    cost = F.binary_cross_entropy if seed else F.binary_cross_entropy_with_logits
    model = network(activation, nn.Sigmoid() if seed else nn.Identity(), nn.Sigmoid() if seed else nn.Identity())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    data = torch.from_numpy(images).flatten(1)
    begun = time.perf_counter()
    for rows in torch.randperm(len(data)).split(BATCH):
        x = data[rows].float() / 255
        optimizer.zero_grad()
        cost(model(x), x).backward()
        optimizer.step()
    return len(data) / (time.perf_counter() - begun)


def ours(config: Config, splits: prepare.Splits) -> float:
    """Images per second as reported by a run of isthmus, training steps only."""
    prepared = prepare.prepare(config, splits)
    model = prepare.fresh_model(prepared)
    validation = prepared.tensor(splits.validation)[:100]
    monitor = TrainingMonitor(model)
    progress = Trainer(model, prepare.batches_of(prepared), validation, prepared.config.training, monitor).run(
        lambda row: None, lambda progress: None
    )
    return progress.samples_per_second


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=12_800)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    configs = {name: resolve({"recipe": name, "data": {"source": "mnist"}}) for name in ("seed", "modern")}
    float32 = {"data": {"source": "mnist"}, "training": {"precision": "float32"}}
    configs |= {f"{name} float32": resolve({"recipe": name, **float32}) for name in ("seed", "modern")}
    splits = prepare.read_splits(configs["seed"], None, Quiet())
    splits = replace(splits, train=splits.train.take(np.arange(options.images)))
    images = np.ascontiguousarray(splits.train.x[:, 0])
    contestants: dict[str, Callable[[], float]] = {
        "notebook's stack": lambda: notebook(images),
        "bare loop, sigmoid": lambda: bare(images, "sigmoid"),
        "bare loop, SiLU": lambda: bare(images, "silu"),
    }
    for name, config in configs.items():
        one_epoch = replace(config, training=replace(config.training, epochs=1))
        contestants[f"isthmus {name}"] = lambda config=one_epoch: ours(config, splits)
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(options.rounds):
        for name, run in contestants.items():
            found[name].append(run())
    base = statistics.median(found["notebook's stack"])
    print(f"the notebook's stack reads with {type(notebook_data(images)).__module__}")
    print(f"torch {torch.__version__}, {options.threads} threads, {options.rounds} rounds of {options.images:,} images")
    print(f"{'':<24}{'images/s':>10}{'lowest':>10}{'highest':>10}{'x notebook':>12}")
    for name, speeds in found.items():
        median = statistics.median(speeds)
        print(f"{name:<24}{median:>10,.0f}{min(speeds):>10,.0f}{max(speeds):>10,.0f}{median / base:>12.2f}")


if __name__ == "__main__":
    main()
