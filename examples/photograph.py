"""Remove grain from a photograph with the included denoiser: python examples/photograph.py [holiday.jpg]."""

import sys

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

import isthmus

photo = isthmus.load("photo")

if len(sys.argv) > 1:
    noisy = np.asarray(Image.open(sys.argv[1]).convert("RGB"))
else:  # a photograph without grain, with added grain of 20 of 255
    clean = load_sample_image("flower.jpg")[100:292, 200:488]
    grain = np.random.default_rng(0).normal(0, 20, clean.shape)
    noisy = (clean + grain).round().clip(0, 255).astype(np.uint8)
    before, after = (np.square(x - clean.astype(float)).mean() for x in (noisy, photo.denoise(noisy)))
    print(f"mean squared error {before:.0f} before, {after:.0f} after")

pictures = [noisy, photo.denoise(noisy, strength=0.7), photo.denoise(noisy)]  # unchanged, some grain left, none left
Image.fromarray(np.hstack(pictures)).save("photograph.png")
print("photograph.png: as it is, with strength 0.7, and clean")

# The same from the command line. It keeps format, size and metadata, and says whether the photograph needs it:
#   isthmus denoise photo holiday.jpg -o holiday-clean.jpg --compare before-after.png
