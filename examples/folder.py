"""A folder of images with one subfolder per class: from pictures to codes in a table."""

from pathlib import Path

import numpy as np
from PIL import Image

import isthmus
from isthmus.tools.inference import apply

folder = Path("runs/shapes")
generator = np.random.default_rng(0)
for k in range(120):
    kind = ("disc", "square")[k % 2]
    i, j = np.indices((24, 24)) - generator.integers(8, 16, size=(2, 1, 1))
    inside = np.hypot(i, j) < 6 if kind == "disc" else np.maximum(abs(i), abs(j)) < 5
    (folder / kind).mkdir(parents=True, exist_ok=True)
    Image.fromarray((inside * 255).astype(np.uint8)).save(folder / kind / f"{k:03}.png")

run = isthmus.train(folder, z_size=4, hidden=(64,), steps=300, out="runs/shapes-run")
apply.encode(run, folder, "runs/shapes.csv")
apply.reconstruct(run, folder, "runs/shapes-again")
print("\n".join(Path("runs/shapes.csv").read_text().splitlines()[:3]))
