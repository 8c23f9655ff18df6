"""Photographs: a denoiser on Set12, Kodak and PolyU, compared with non-local means and with doing nothing.

python benchmarks/photos.py PHOTOS                 the included denoiser; PHOTOS holds set12/, kodak12/ and polyu/
python benchmarks/photos.py PHOTOS --run RUN       a run of the recipe photo, in gray or in color
python benchmarks/photos.py PHOTOS --every 8       every eighth of PolyU's 100 crops

Noise is added to floats and not clipped, as for the published numbers; every denoiser gets the same noise.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage.restoration import denoise_nl_means

import isthmus
from isthmus.models.denoiser import Denoiser

Clean = Callable[[np.ndarray], np.ndarray]


def psnr_db(x: np.ndarray, x_hat: np.ndarray) -> float:
    """The PSNR of images in [0, 1]."""
    return float(10 * np.log10(1 / np.square(x - x_hat.clip(0, 1)).mean()))


def network(model: Denoiser) -> Clean:
    """The network itself on (H, W, C) floats, which may be outside [0, 1]."""

    @torch.no_grad()
    def clean(x: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(x.astype(np.float32).transpose(2, 0, 1)[None].copy())
        return model.likelihood.mean(model.network(given))[0].numpy().transpose(1, 2, 0)

    return clean


def non_local_means(sigma: float) -> Clean:
    """scikit-image's non-local means, with the settings of its example for a known noise level."""
    settings: dict[str, Any] = {"h": 0.8 * sigma, "sigma": sigma, "patch_size": 5, "patch_distance": 6}

    def clean(x: np.ndarray) -> np.ndarray:
        if x.shape[2] == 1:
            return denoise_nl_means(x[..., 0], fast_mode=True, **settings)[..., None]
        return denoise_nl_means(x, fast_mode=True, channel_axis=-1, **settings)

    return clean


def gaussian(folder: Path, mode: str, level: float, cleaners: dict[str, Clean]) -> None:
    """Prints the mean PSNR over a folder with noise of `level` of 255."""
    found: dict[str, list[float]] = {name: [] for name in ("noisy", *cleaners)}
    for path in sorted(folder.iterdir()):
        pixels = np.asarray(Image.open(path).convert(mode), np.float64) / 255
        x = pixels[..., None] if pixels.ndim == 2 else pixels
        noisy = x + np.random.default_rng(0).normal(0, level / 255, x.shape)
        found["noisy"].append(psnr_db(x, noisy))
        for name, clean in cleaners.items():
            found[name].append(psnr_db(x, clean(noisy)))
    means = ", ".join(f"{name} {np.mean(values):.2f}" for name, values in found.items())
    print(f"{folder.name}, {len(found['noisy'])} images, sigma {level:.0f} of 255: {means} dB", flush=True)


def grain(folder: Path, clean: Callable[[np.ndarray], np.ndarray], every: int) -> None:
    """Prints the gain over doing nothing on real grain: bytes in, bytes out."""
    gains = []
    for path in sorted(folder.glob("*_real.JPG"))[::every]:
        noisy, x = (np.asarray(Image.open(p)) for p in (path, path.with_name(path.name.replace("_real", "_mean"))))
        before, after = (psnr_db(x / 255, y / 255) for y in (noisy, clean(noisy)))
        gains.append(after - before)
    print(f"{folder.name}, {len(gains)} crops: {np.mean(gains):+.2f} dB over nothing, at worst {min(gains):+.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--run", default="photo", help="a run of the recipe photo, or photo")
    parser.add_argument("--every", type=int, default=1)
    given = parser.parse_args()
    model = isthmus.load(given.run)
    kinds = [model.gray, model.color] if given.run == "photo" else [model]
    for one in kinds:
        folder, mode, levels = (
            ("set12", "L", (15, 25, 50)) if one.preprocess.shape[0] == 1 else ("kodak12", "RGB", (25,))
        )
        for level in levels:
            beside = {"isthmus": network(one), "non-local means": non_local_means(level / 255)}
            gaussian(given.photos / folder, mode, level, beside)
        if one.preprocess.shape[0] == 3:
            grain(given.photos / "polyu", model.denoise, given.every)


if __name__ == "__main__":
    main()
