"""Make `src/isthmus/data/mnist-2k.csv.gz` from MNIST's training file: 2,000 rows, 200 of each digit.

    python benchmarks/make_mnist_2k.py FOLDER [-o mnist-2k.csv.gz]

FOLDER holds `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, gzip or not. The output has the same content
every time: Python guarantees `random.Random(seed).random()` across versions (numpy does not guarantee its
streams), and the gzip header contains neither time nor name.
"""

from __future__ import annotations

import argparse
import gzip
import io
import random
import zlib
from pathlib import Path

import numpy as np

SEED = 20_000  # any fixed number: rows x classes; changing it changes the shipped table
PER_DIGIT = 200  # 200 x 10 digits = the 2,000 rows of the notebook's table
HERE = Path(__file__).resolve().parents[1] / "src" / "isthmus" / "data" / "mnist-2k.csv.gz"


def read_bytes(folder: Path, name: str) -> bytes:
    """The unpacked bytes of an MNIST file, gzip or not."""
    packed = folder / f"{name}.gz"
    return gzip.decompress(packed.read_bytes()) if packed.exists() else (folder / name).read_bytes()


def draw(labels: np.ndarray) -> list[int]:
    """Row numbers: the first `PER_DIGIT` rows of each digit in a seeded random order, in that order."""
    rng = random.Random(SEED)
    keys = [rng.random() for _ in labels]
    order = sorted(range(len(labels)), key=keys.__getitem__)
    taken = dict.fromkeys(range(10), 0)
    rows = []
    for row in order:
        digit = int(labels[row])
        if taken[digit] < PER_DIGIT:
            taken[digit] += 1
            rows.append(row)
    return rows


def table(images: np.ndarray, labels: np.ndarray) -> bytes:
    """The CSV text: a header, then one row per image with its label and 784 pixels."""
    text = io.StringIO()
    text.write(",".join(["label", *(f"pixel{i}" for i in range(images.shape[1]))]) + "\n")
    np.savetxt(text, np.column_stack([labels, images]), fmt="%d", delimiter=",")
    return text.getvalue().encode("ascii")


def pack(content: bytes) -> bytes:
    """gzip with an empty header (no name, time 0, and no sign of the operating system)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31, 9)
    packed = bytearray(packer.compress(content) + packer.flush())
    packed[4:10] = b"\0\0\0\0\2\xff"  # time 0, best compression, unknown system
    return bytes(packed)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the table that the package ships.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--out", type=Path, default=HERE)
    options = parser.parse_args()
    labels = np.frombuffer(read_bytes(options.folder, "train-labels-idx1-ubyte"), np.uint8, offset=8)
    images = np.frombuffer(read_bytes(options.folder, "train-images-idx3-ubyte"), np.uint8, offset=16)
    rows = draw(labels)
    content = table(images.reshape(len(labels), -1)[rows], labels[rows])
    options.out.write_bytes(pack(content))
    print(f"{options.out}: {len(rows):,} rows, {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
