"""A denoiser trained on your own pictures: on pairs of noisy and clean ones, and on noisy ones alone.

python examples/microscope.py                  draws 12-bit pictures of cells, as a camera records them
python examples/microscope.py NOISY CLEAN      with two folders of your own; files of the same name are a pair
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

import isthmus


def draw_cells(folder: Path, n: int = 40, side: int = 96) -> None:
    """Round cells of many sizes on a dark background; each picture once with camera noise and once without."""
    rng = np.random.default_rng(0)
    for name in ("noisy", "clean"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for i in range(n):
        points = np.zeros((side, side))
        points[tuple(rng.integers(side, size=(2, 30)))] = rng.uniform(0.3, 1, 30)
        cells = gaussian_filter(points, 2) + 0.5 * gaussian_filter(points, 6)
        clean = 400 + 3000 * cells / cells.max()
        noisy = clean + rng.normal(0, 100, clean.shape)  # counts
        for name, picture in (("noisy", noisy), ("clean", clean)):
            Image.fromarray(picture.round().clip(0, 4095).astype(np.uint16)).save(folder / name / f"{i:02}.png")


if len(sys.argv) > 2:
    noisy, clean = Path(sys.argv[1]), Path(sys.argv[2])
else:
    draw_cells(Path("cells"))
    noisy, clean = Path("cells/noisy"), Path("cells/clean")

# A denoiser for real use needs far more steps: leave out `steps` and `patch`.
settings = {"recipe": "photo", "steps": 150, "patch": 32, "batch_size": 8, "show": False}

run = isthmus.train(noisy, target=clean, out="runs/pairs", **settings)
found = run.metrics["denoising"]
print(
    f"pairs: {found['noisy']['psnr_db']:.1f} dB noisy, {found['denoised']['psnr_db']:.1f} dB denoised (test pictures)"
)
print(f"look at {run.path / 'report.html'}, or clean others: isthmus denoise runs/pairs OTHERS -o CLEAN")

# Without clean pictures: it learns from subimages of the noisy ones, and is judged on hidden pixels.
alone = isthmus.train(noisy, noise="unknown", out="runs/noisy-alone", **settings)
for verdict in alone.metrics["verdicts"]:
    print(f"noisy alone: {verdict['level']}: {verdict['text']}")

truth = {path.name: np.asarray(Image.open(path)).astype(float) for path in sorted(Path(clean).iterdir())}
for name, model in (("pairs", run.model), ("noisy alone", alone.model)):
    errors = [
        np.square(model.denoise(np.asarray(Image.open(Path(noisy) / file))).astype(float) - picture).mean()
        for file, picture in truth.items()
    ]
    print(f"{name}: root mean squared error {np.sqrt(np.mean(errors)):.0f} counts")
errors = [np.square(np.asarray(Image.open(Path(noisy) / file)).astype(float) - x).mean() for file, x in truth.items()]
print(f"as they are: {np.sqrt(np.mean(errors)):.0f} counts")
