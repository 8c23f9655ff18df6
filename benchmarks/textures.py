"""Small faults in textures: AUROC by image and by pixel of `isthmus score`, nearest neighbors and PCA.

    python benchmarks/textures.py [--textures brick,grass,gravel] [--seeds 0] [--steps 8000] [--out FOLDER]

Each texture (512 x 512 gray pixels, from scikit-image, or a picture that `--textures` names) is divided by rows.
Windows of 32 pixels from the upper half are for training, an eighth is for validation, and the rest is the test set.
A run of the default recipe is trained on the windows of one texture only. Every test window is scored as it is, and
with a scratch, a stain and a missing part planted in it. Training and calibration see no faults. The form of the score
was chosen on other textures (docs/experiments.md).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from scipy.ndimage import gaussian_filter
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

import isthmus
from isthmus.tools.anomaly.detector import Detector

SIDE, TRAIN_STRIDE, TEST_STRIDE = 32, 8, 16
COMPONENTS = 32  # as many as the code of the run has numbers
PATCH, REFERENCES = 7, 5_000  # for nearest patches: side in pixels, and number of patches from training windows
Planted = tuple[np.ndarray, np.ndarray, float]  # pixels of the fault, the opacity at each, and its gray level


class Windows(NamedTuple):
    """Test windows x (N, 32, 32), the pixels of their faults (N, 32, 32), and what was planted, "" for nothing (N,)."""

    x: np.ndarray
    fault: np.ndarray
    kind: np.ndarray


def scratch(_: np.ndarray, rng: np.random.Generator) -> Planted:
    """A line 12 to 24 pixels long and 1 or 2 wide, black or white, with an opacity of 0.6 to 0.9."""
    length, width, angle = rng.uniform(12, 24), rng.integers(1, 3), rng.uniform(0, np.pi)
    along, across = _axes(rng.uniform(8, 24, 2), angle)
    distance = np.hypot(np.maximum(np.abs(along) - length / 2, 0), across)
    cover = np.clip(width / 2 + 0.5 - distance, 0, 1)
    return cover >= 0.5, cover * rng.uniform(0.6, 0.9), float(rng.integers(2))


def stain(_: np.ndarray, rng: np.random.Generator) -> Planted:
    """An ellipse with radii of 3 to 6 pixels and soft edges, black or white, with an opacity of 0.35 to 0.6."""
    center, radii, angle = rng.uniform(7, 25, 2), rng.uniform(3, 6, 2), rng.uniform(0, np.pi)
    along, across = _axes(center, angle)
    inside = np.hypot(along / radii[0], across / radii[1]) <= 1
    return inside, gaussian_filter(inside.astype(float), 0.7) * rng.uniform(0.35, 0.6), float(rng.integers(2))


def missing(x: np.ndarray, rng: np.random.Generator) -> Planted:
    """A rectangle of 6 to 10 pixels per side in the mean gray of the window: only the texture is missing."""
    h, w = rng.integers(6, 11, 2)
    top, left = rng.integers(2, SIDE - h - 1), rng.integers(2, SIDE - w - 1)
    inside = np.zeros((SIDE, SIDE), bool)
    inside[top : top + h, left : left + w] = True
    return inside, inside.astype(float), float(x.mean() / 255)


def _axes(center: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:SIDE, :SIDE] - center[:, None, None]
    return y * np.sin(angle) + x * np.cos(angle), y * np.cos(angle) - x * np.sin(angle)


KINDS: dict[str, Callable[[np.ndarray, np.random.Generator], Planted]] = {
    "scratch": scratch, "stain": stain, "missing": missing,
}  # fmt: skip


def windows(image: np.ndarray, stride: int) -> np.ndarray:
    return sliding_window_view(image, (SIDE, SIDE))[::stride, ::stride].reshape(-1, SIDE, SIDE)


def parts(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows for training, validation and test, from rows that do not overlap."""
    first, second = (int(share * len(image)) // SIDE * SIDE for share in (0.5, 0.625))
    upper, middle, lower = image[:first], image[first:second], image[second:]
    return windows(upper, TRAIN_STRIDE), windows(middle, TRAIN_STRIDE), windows(lower, TEST_STRIDE)


def planted(test: np.ndarray, seed: int) -> Windows:
    """Each window without a fault, and with each kind of fault."""
    rng = np.random.default_rng(seed)
    x, faults, kinds = [*test], [np.zeros((SIDE, SIDE), bool)] * len(test), [""] * len(test)
    for kind, make in KINDS.items():
        for window in test:
            fault, cover, gray = make(window, rng)
            x.append((window * (1 - cover) + 255 * gray * cover).round().clip(0, 255).astype(np.uint8))
            faults.append(fault)
            kinds.append(kind)
    return Windows(np.stack(x), np.stack(faults), np.array(kinds))


Found = tuple[np.ndarray, np.ndarray]  # by image (N,), by pixel (N, 32, 32)


def ours(train: np.ndarray, validation: np.ndarray, x: np.ndarray, folder: Path, steps: int, seed: int) -> Found:
    np.save(folder / "train.npy", train)
    np.save(folder / "validation.npy", validation)
    run = isthmus.train(
        folder / "train.npy", validation=str(folder / "validation.npy"), steps=steps, seed=seed, threads=1, show=False,
        out=folder / "run",
    )  # fmt: skip
    detector = Detector.of_run(run)
    raw = x[:, None]
    return detector.scores(raw).score, detector.heat(raw)[1][:, 0]


def principal(train: np.ndarray, x: np.ndarray, seed: int) -> Found:
    """Squared errors of the reconstruction from 32 components; for an image, their mean."""
    found = PCA(COMPONENTS, random_state=seed).fit(_rows(train))
    squares = np.square(_rows(x) - found.inverse_transform(found.transform(_rows(x)))).reshape(x.shape)
    return squares.mean((1, 2)), squares


def nearest_windows(train: np.ndarray, x: np.ndarray) -> Found:
    """The nearest training window: its squared distance for an image, the share of that for a pixel."""
    rows, known = _rows(x), _rows(train)
    nearest = (np.square(known).sum(1) - 2 * rows @ known.T).argmin(1)
    squares = np.square(rows - known[nearest]).reshape(x.shape)
    return squares.mean((1, 2)), squares


def nearest_patches(train: np.ndarray, x: np.ndarray, seed: int) -> Found:
    """The squared distance of the patch of 7 x 7 around each pixel to the nearest one of training windows; of an image
    the largest.
    """
    known = _patches(train[:: max(1, len(train) // 400)])
    known = known[np.random.default_rng(seed).permutation(len(known))[:REFERENCES]]
    squares, around = np.square(known).sum(1), ((0, 0), *[(PATCH // 2, PATCH // 2)] * 2)
    found = []
    for window in np.pad(x, around, mode="reflect"):
        rows = _patches(window[None])
        found.append(np.square(rows).sum(1) + (squares - 2 * rows @ known.T).min(1))
    by_pixel = np.stack(found).reshape(x.shape)
    return by_pixel.max((1, 2)), by_pixel


def _patches(x: np.ndarray) -> np.ndarray:
    return sliding_window_view(x, (PATCH, PATCH), axis=(1, 2)).reshape(-1, PATCH**2).astype(np.float32) / 255


def _rows(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1).astype(np.float32) / 255


def measured(found: Found, of: Windows, kinds: tuple[str, ...]) -> tuple[float, float]:
    """AUROC of windows with these faults against those without, and of faulty pixels against other pixels in them."""
    strange = np.isin(of.kind, kinds)
    shown = strange | (of.kind == "")
    by_pixel = roc_auc_score(of.fault[strange].ravel(), found[1][strange].ravel())
    return float(roc_auc_score(strange[shown], found[0][shown])), float(by_pixel)


def image_of(name: str) -> np.ndarray:
    """A texture of scikit-image by its name, or a picture by its path, in gray."""
    if Path(name).is_file():
        return np.asarray(Image.open(name).convert("L"))
    import skimage.data

    return np.asarray(getattr(skimage.data, name)())


def results(name: str, folder: Path, steps: int, seed: int) -> Iterator[tuple[str, Found, Windows]]:
    train, validation, test = parts(image_of(name))
    of = planted(test, seed)
    folder.mkdir(parents=True, exist_ok=True)
    yield "isthmus", ours(train, validation, of.x, folder, steps, seed), of
    yield "nearest windows", nearest_windows(train, of.x), of
    yield "nearest patches", nearest_patches(train, of.x, seed), of
    yield "PCA", principal(train, of.x, seed), of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--textures", default="brick,grass,gravel")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--steps", type=int, default=8_000, help="the default recipe's budget")
    parser.add_argument("--out", type=Path, default=None, help="keep runs here")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp()) if options.out is None else options.out
    total: dict[str, list[tuple[float, float]]] = {}
    for name in options.textures.split(","):
        for seed in map(int, options.seeds.split(",")):
            began = time.process_time()
            for who, found, of in results(name, folder / f"{Path(name).stem}-{seed}", options.steps, seed):
                both = measured(found, of, ("scratch", "stain"))
                total.setdefault(who, []).append(both)
                each = "  ".join(
                    "{} {:.3f} / {:.3f}".format(kind, *measured(found, of, (kind,))) for kind in KINDS
                )  # fmt: skip
                seconds = f"{time.process_time() - began:.0f} s"
                print(f"{name} seed {seed} {who}: {both[0]:.3f} / {both[1]:.3f}  ({each})  {seconds}", flush=True)
    for who, values in total.items():
        image, pixel = np.mean(values, 0)
        print(f"{who}: mean AUROC of scratches and stains by image {image:.3f}, by pixel {pixel:.3f}")


if __name__ == "__main__":
    main()
