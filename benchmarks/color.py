"""`conv` compared with principal components, on patches of color photographs.

python benchmarks/color.py cut PHOTOS OUT              patches of 64 x 64: train.npy, validation.npy, test.npy in OUT
python benchmarks/color.py train OUT RUN --steps 4000  trains as `isthmus train` does by default

`PHOTOS` is a folder of photographs, such as the one that `benchmarks/photo_weights.py collect` creates. Photographs
whose names begin with a word of TEST or VALIDATION are not used for training; all sizes of one photograph are in one
set.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

import isthmus

SIDE = 64
N = {"train": 20_000, "validation": 600, "test": 1_000}
VALIDATION = ("Bridge", "Wine", "coffee")
TEST = ("Dragonfly", "sunset", "china", "greentock", "Picture")


def role_of(path: Path) -> str:
    """Which set a photograph belongs to, by the beginning of its name."""
    if path.name.startswith(TEST):
        return "test"
    return "validation" if path.name.startswith(VALIDATION) else "train"


def patches(paths: list[Path], n: int, generator: np.random.Generator) -> np.ndarray:
    """(n, SIDE, SIDE, 3) bytes from random places; the number per photograph grows with the root of its pixels."""
    images = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    share = np.sqrt([image.shape[0] * image.shape[1] for image in images])
    found = np.empty((n, SIDE, SIDE, 3), np.uint8)
    for place, k in zip(found, generator.choice(len(images), n, p=share / share.sum()), strict=True):
        H, W, _ = images[k].shape
        y, x = generator.integers(0, H - SIDE + 1), generator.integers(0, W - SIDE + 1)
        place[:] = images[k][y : y + SIDE, x : x + SIDE]
    return found


def cut(photos: Path, out: Path) -> None:
    """Cuts the patches of all three sets."""
    out.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    for role, n in N.items():
        paths = [path for path in sorted(photos.glob("*.png")) if role_of(path) == role]
        np.save(out / f"{role}.npy", patches(paths, n, generator))
        print(f"{role}: {n:,} patches of {len(paths)} files")


def train(data: Path, run_path: Path, steps: int | None, seed: int) -> None:
    """Trains with the default settings, and prints the test error next to that of as many components."""
    validation, test = (str(data / f"{role}.npy") for role in ("validation", "test"))
    begun = time.process_time(), time.perf_counter()
    settings = {"steps": steps, "seed": seed, "threads": 1}
    run = isthmus.train(str(data / "train.npy"), validation=validation, test=test, out=run_path, **settings)
    cpu, wall = time.process_time() - begun[0], time.perf_counter() - begun[1]
    model, found = run.config.model, run.metrics["test"]["mse"]
    print(f"{model.network}, {model.hidden}, code of {model.z_size}; {cpu:.0f} s of processor time, {wall:.0f} s")
    known = run.metrics["baselines"]["pca"]["mse"]
    print(f"test MSE {found:.6f}, of {model.z_size} components {known:.6f}: {found / known:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("cut", "train"))
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.command == "cut":
        cut(given.source, given.out)
    else:
        train(given.source, given.out, given.steps, given.seed)


if __name__ == "__main__":
    main()
