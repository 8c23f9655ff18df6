"""Training on pairs, on noisy pictures alone, and on clean ones with fresh noise: same network, same steps.

    python benchmarks/pairs.py PHOTOS [--images 100] [--steps 1500] [--widths 16,24,32] [--sigma 0.098] [--out FILE]

PHOTOS is a folder of gray photographs without noise. The last 20 are the test set, the 10 before them choose the epoch.
Each training photograph gets one fixed noisy copy. Three models are trained: on clean photographs with fresh noise in
every step (as `--noise gaussian:SIGMA` does), on the pairs of noisy and clean photographs (`--target`), and on the
noisy ones alone (`--noise unknown`). The output is the mean PSNR on whole test photographs with the same noise.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from isthmus.data.batching.split import Splits
from isthmus.data.pairs.pairing import paired
from isthmus.data.samples import Samples
from isthmus.models.abstract_model import AbstractModel, evaluation
from isthmus.recipes import resolve
from isthmus.training import prepare
from isthmus.training.monitor import TrainingMonitor
from isthmus.training.trainer import Trainer

SIDE = 180  # side in pixels of the photographs of train400


def photographs(folder: Path, n: int) -> np.ndarray:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in {".png", ".jpg", ".bmp"})
    chosen = [*files[: n - 30], *files[-30:]]
    return (
        np.stack([np.asarray(Image.open(p).convert("L"))[:SIDE, :SIDE] for p in chosen])[:, None].astype(np.float32)
        / 255
    )


def noisy(x: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    return x + sigma * np.random.default_rng(seed).standard_normal(x.shape).astype(np.float32)


def trained(train: Samples, validation: Samples, noise: str, options: argparse.Namespace) -> AbstractModel:
    """The weights of the epoch with the lowest cost on validation samples."""
    model = {"noise": noise, "hidden": [int(w) for w in options.widths.split(",")]}
    training = {"steps": options.steps, "batch_size": 8, "seed": options.seed, "threads": 1, "device": "cpu"}
    data = {"target": "clean"} if noise == "pairs" else {}
    config = resolve({"recipe": "photo", "model": model, "training": training, "data": data})
    prepared = prepare.prepare(config, Splits(train, validation, validation))
    made = prepare.fresh_model(prepared)
    settings = replace(prepared.config.training, precision="float32")
    monitor = TrainingMonitor(made)
    trainer = Trainer(made, prepare.batches_of(prepared), prepared.pairs(validation), settings, monitor)
    trainer.run(
        lambda row: print(row["epoch"], f"{row['train_cost']:.6f} {row['validation_cost']:.6f}", flush=True),
        lambda _: None,
    )
    return made


def psnr_db(model: AbstractModel, clean: np.ndarray, given: np.ndarray) -> float:
    with torch.no_grad(), evaluation(model):
        made = np.concatenate([model.x_hat(torch.from_numpy(image[None])).numpy() for image in given])
    errors = np.square(made.clip(0, 1) - clean).mean((1, 2, 3))
    return float(np.mean(-10 * np.log10(errors)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, default=130)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--widths", default="16,24,32")
    parser.add_argument("--sigma", type=float, default=25 / 255)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="anew,pairs,unknown")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    x = photographs(options.photos, options.images)
    shot = noisy(x, options.sigma, 1)
    train, validation, test = slice(0, -30), slice(-30, -20), slice(-20, None)
    sets = {
        "anew": (f"gaussian:{options.sigma:.6f},clip=false", lambda part: Samples(x[part], "clean")),
        "pairs": ("pairs", lambda part: paired(Samples(shot[part], "noisy"), Samples(x[part], "clean"))),
        "unknown": ("unknown", lambda part: Samples(shot[part], "noisy")),
    }
    found: dict[str, object] = {"noisy": float(np.mean(-10 * np.log10(np.square((shot - x)[test]).mean((1, 2, 3)))))}
    for name in options.only.split(","):
        noise, samples = sets[name]
        begun = time.process_time()
        model = trained(samples(train), samples(validation), noise, options)
        found[name] = {"psnr_db": psnr_db(model, x[test], shot[test]), "seconds": round(time.process_time() - begun)}
        print(name, found[name], flush=True)
        if options.out is not None:
            options.out.write_text(
                json.dumps(vars(options) | {"found": found}, indent=1, default=str), encoding="utf-8"
            )


if __name__ == "__main__":
    main()
