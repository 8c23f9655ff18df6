"""Make `docs/pictures/`: what `isthmus train` and `isthmus train --noise gaussian:0.5` draw, in 256 colors.

python benchmarks/make_pictures.py                       trains both runs in a temporary folder, 2 minutes
python benchmarks/make_pictures.py RUN DENOISER          takes the pictures of two finished runs
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from PIL import Image

import isthmus

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
TAKEN = (("sanity.png", "curves.png", "worst.png", "architecture.svg"), ("denoising.png",))


def take(run: Path, name: str) -> int:
    """Copies one picture as a PNG with a palette of 256 colors, all that these need; returns its size in bytes."""
    target = PICTURES / name
    if target.suffix == ".png":
        with Image.open(run / name) as image:
            image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
                target, optimize=True
            )
    else:
        shutil.copyfile(run / name, target)
    return target.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("runs", nargs="*", type=Path, help="the run folders of the autoencoder and of the denoiser")
    runs = parser.parse_args().runs
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        if not runs:
            plain = isthmus.train(out=Path(folder, "plain")).path
            runs = [plain, isthmus.train(noise="gaussian:0.5", out=Path(folder, "denoiser")).path]
        for run, names in zip(runs, TAKEN, strict=True):
            for name in names:
                print(f"{name:<18}{take(run, name):>8,} bytes")


if __name__ == "__main__":
    main()
