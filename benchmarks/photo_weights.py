"""Make the photograph denoiser that the package includes, from photographs under free licenses.

python benchmarks/photo_weights.py collect PHOTOS             fetches two Debian packages, shrinks, cuts: 60 MB of PNG
python benchmarks/photo_weights.py train PHOTOS RUN           a color denoiser; hours on two cores, minutes on a GPU
python benchmarks/photo_weights.py train PHOTOS RUN --gray --start COLOR    the same in gray, from that one's weights
python benchmarks/photo_weights.py keep COLOR GRAY            writes both into the package, as float16
python benchmarks/photo_weights.py keep photo GRAY --share 0.5    GRAY went on from the weights in the package: the mean
                                                              of both; photo leaves the color weights as they are

Every photograph is shrunk by a factor of two or more, so that nothing of its own grain and its JPEG blocks is left. A
strip of each (its right fifth) is not used for training: it chooses the epoch. Authors and licenses are in `NOTICE`.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import isthmus
from isthmus.models.photo import FOLDER
from isthmus.tools.inference.photo_judgment import judge_photograph

# Debian 12 package, files in it, and the factors they are shrunk by: large ones twice, for patches of another scale.
PACKAGES = {
    "lomiri-wallpapers-16.04": {
        "Bridge_by_Sander_Klootwijk.jpg": (3, 6),
        "Dragonfly_by_Bolly.jpg": (3, 6),
        "Picture_0B_by_freespace.jpg": (2, 4),
        "Picture_1A_by_freespace.jpg": (2,),
        "Wine_by_Jakkub_Mede.jpg": (3, 6),
        "aitzgorri_by_Aitzol_Berasategi.jpg": (2, 4),
        "analogpattern_by_Peter_Nerlich.jpg": (3,),
        "free_by_Peter_Nerlich.jpg": (3, 6),
        "friends_by_Aitzol_Berasategi.jpg": (2, 4),
        "greentock_by_Peter_Nerlich.jpg": (3,),
        "life_by_Aitzol_Berasategi.jpg": (2, 4),
        "picosdeeuropa_by_Aitzol_Berasategi.jpg": (2, 4),
        "seeding_by_Clements_Engelhardt.jpg": (4,),
        "sunset_by_Aitzol_Berasategi.jpg": (3, 6),
    },
    "lomiri-wallpapers-20.04": {"Kleiber_by_Lukas_Baubkus.jpg": (3, 6)},
}
LIBRARIES = {  # photographs included in scikit-image and scikit-learn, free to use by their own licenses
    ("skimage", "data"): ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"),
    ("sklearn", "datasets/images"): ("china.jpg", "flower.jpg"),
}
RATE = 1.2e-3  # that of the recipe
SHOWN = 256  # side in pixels of the pieces for validation
STRIP = 0.2  # of the width of each photograph is for choosing the epoch

# Levels up to 55 of 255, the usual range of blind denoisers (Zhang et al. 2017, arXiv:1608.03981); grain up to 0.08,
# four times that of phones in dim light. Half of the color patches are JPEG-compressed, like the output of cameras.
# Gray training went on without any, because most gray pictures come from instruments: on the validation strips this
# gained 0.1 dB with independent noise and lost 0.1 to 1 dB with JPEG. The mean of the weights before and after gains
# 0.07 to 0.09 dB with independent noise, 0.04 to 0.07 dB with grain, and -0.02 to 0.1 dB with JPEG.
_GRAIN = "width=0.5-1,shared=0.3-1,clip=false"  # cameras process their noise differently
_JPEG = "jpeg:75-98"  # from small web files to camera files
_WIDE = "gaussian:0-0.22,clip=false"
_CAMERA = f"grain:0-0.05,{_GRAIN}+{_JPEG}"
NOISE = f"{_WIDE}|grain:0-0.08,{_GRAIN}|{_CAMERA}|gaussian:0-0.06,clip=false+{_JPEG}"
GRAY_NOISE = f"{_WIDE}|{_WIDE}|{_WIDE}|grain:0-0.08,{_GRAIN}"
SOFTEN = "soften:1.2"  # no phone photograph is as sharp at its full size as shrunk pictures are


def collect(folder: Path) -> None:
    """Writes `train/` and `validation/` into `folder`."""
    for name in ("train", "validation"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        for package, photographs in PACKAGES.items():
            subprocess.run(["apt-get", "download", package], cwd=place, check=True)
            (archive,) = Path(place).glob(f"{package}_*.deb")
            subprocess.run(["dpkg-deb", "-x", str(archive), place], check=True)
            for name, factors in photographs.items():
                for factor in factors:
                    with Image.open(Path(place, "usr/share/backgrounds", name)) as image:
                        _write(folder, f"{Path(name).stem}_{factor}", image.convert("RGB").reduce(factor))
    for (package, inner), names in LIBRARIES.items():
        for name in names:
            with Image.open(str(resources.files(package).joinpath(inner, name))) as image:
                _write(folder, Path(name).stem, image.convert("RGB").reduce(2))


def _write(folder: Path, name: str, image: Image.Image) -> None:
    """The left part is for training, a piece of the strip at the right for choosing the epoch."""
    width, height = image.size
    edge = width - max(round(STRIP * width), min(SHOWN, width // 3))
    image.crop((0, 0, edge, height)).save(folder / "train" / f"{name}.png")
    top = max(0, (height - SHOWN) // 2)
    image.crop((edge, top, min(width, edge + SHOWN), min(height, top + SHOWN))).save(
        folder / "validation" / f"{name}.png"
    )


def train(photos: Path, out: Path, *, gray: bool, steps: int, threads: int, start: str | None) -> None:
    """A run of the recipe `photo` on the output of `collect`; at half the rate when it starts from other weights."""
    isthmus.train(
        photos / "train",
        recipe="photo",
        out=out,
        validation=str(photos / "validation"),
        test=str(photos / "validation"),
        gray=gray,
        start=start,
        lr=RATE if start is None else RATE / 2,
        noise=GRAY_NOISE if gray else NOISE,
        likelihood="laplace",
        augment=SOFTEN,
        steps=steps,
        batch_size=8,
        threads=threads,
    )


def keep(color: Path, gray: Path, share: float) -> None:
    """Writes the weights of two runs into the package, in float16: half the bytes, and the same pictures to 0.01 dB.

    With a `share` below 1 they are averaged with those in the package, which the runs must have started from (Wortsman
    et al. 2022, arXiv:2203.05482).
    """
    kept = isthmus.load("photo")
    for name, run, before in (("color", color, kept.color), ("gray", gray, kept.gray)):
        if str(run) != "photo":
            model = isthmus.load(run)
            with torch.no_grad():
                for parameter, earlier in zip(model.parameters(), before.parameters(), strict=True):
                    parameter.lerp_(earlier.to(parameter.dtype), 1 - share)
            model.half().save(FOLDER / name)


def levels(photos: Path) -> None:
    """Prints what `noise_in_flat_parts` finds in the unchanged photographs, and with faint noise."""
    generator = np.random.default_rng(0)
    for sigma in (0, 1, 2, 3):
        found = []
        for path in sorted((photos / "train").glob("*.png")):
            pixels = np.asarray(Image.open(path)).transpose(2, 0, 1)
            noisy = (pixels + generator.normal(0, sigma, pixels.shape)).round().clip(0, 255).astype(np.uint8)
            found.append(judge_photograph(isthmus.load("photo").color, noisy).noise)
        at = ", ".join(f"{share:.0%} {np.quantile(found, share):.4f}" for share in (0.1, 0.5, 0.9, 1))
        print(f"sigma {sigma} of 255: {at}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("task", choices=["collect", "train", "keep", "levels"])
    parser.add_argument("photos", type=Path, help="the folder that `collect` fills; of keep, the run in color")
    parser.add_argument("run", nargs="?", type=Path, help="the run folder; of keep, the run in gray")
    parser.add_argument("--gray", action="store_true")
    parser.add_argument("--start", help="a run to start from, or photo: the weights that the package ships")
    parser.add_argument("--steps", type=int, default=30_000)
    parser.add_argument("--share", type=float, default=1.0, help="of the new weights in the mean that is kept")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    if given.task == "collect":
        collect(given.photos)
    elif given.task == "keep":
        keep(given.photos, given.run, given.share)
    elif given.task == "levels":
        levels(given.photos)
    else:
        train(given.photos, given.run, gray=given.gray, steps=given.steps, threads=given.threads, start=given.start)


if __name__ == "__main__":
    main()
