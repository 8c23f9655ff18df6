"""Training from disk beside training in memory: the same error, also on data sorted by class, and the speed.

`python benchmarks/streaming.py error` trains small models on digits, sorted by class, with five seeds, in memory and
from disk with buffers of several sizes. `python benchmarks/streaming.py speed FOLDER` writes images into FOLDER, and
passes an epoch of them through a small network in memory and from disk, the file's pages given back to the kernel
before. The files are removed. `--gigabytes` is how large they are.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.data.batching.batches import AbstractBatches, Batches
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.streamed_batches import StreamedBatches
from isthmus.data.read import read
from isthmus.data.stored_rows import StoredRows
from isthmus.randomness import generator_for

SEEDS, EPOCHS = range(5), 12
BUFFERS = {"memory": None, "buffer of 400": 400, "buffer of 128": 128, "buffer of 64": 64}
SIDE = 64  # pixels a side of the images that are timed, in color: 12 kB each


def errors() -> dict[str, list[float]]:
    """Errors on 400 held-out digits by where the 1,600 others, sorted by class, are; one a seed."""
    samples = read("mnist-2k").train
    order = np.random.default_rng(0).permutation(len(samples))
    rows = order[400:][np.argsort(samples.labels[order[400:]], kind="stable")]
    test = torch.from_numpy(samples.x[order[:400]]).flatten(1) / 255
    found: dict[str, list[float]] = {}
    for name, buffer in BUFFERS.items():
        for seed in SEEDS:
            found.setdefault(name, []).append(_trained(samples.x[rows], buffer, seed, test))
        mean, spread = np.mean(found[name]), np.std(found[name], ddof=1)
        print(f"{name}: test error {mean:.5f}, deviation of seeds {spread:.5f}", flush=True)
    return found


def _trained(x: np.ndarray, buffer: int | None, seed: int, test: torch.Tensor) -> float:
    """The squared error on `test` after EPOCHS under a decaying rate, by the package's batches."""
    preprocess = Preprocess((1, 28, 28), "uint8", range=(0.0, 1.0))
    known = {"batch_size": 64, "augment": "none", "seed": seed, "device": torch.device("cpu")}
    batches: AbstractBatches = Batches(torch.from_numpy(x), preprocess, **known)
    if buffer is not None:
        batches = StreamedBatches(StoredRows(x), preprocess, buffer=buffer, **known)
    torch.manual_seed(seed)
    widths, layers = (784, 128, 16, 128, 784), []
    for before, after in pairwise(widths):
        layers += [torch.nn.Linear(before, after), torch.nn.SiLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for epoch in range(EPOCHS):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * (1 - epoch / EPOCHS)
        for rows in batches.rows(epoch):
            batch = batches.take(rows, generator_for(seed)).flatten(1)
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(batch), batch).backward()
            optimizer.step()
    with torch.no_grad():
        return float(torch.nn.functional.mse_loss(model(test), test))


def speed(folder: Path, gigabytes: float, buffer_bytes: int) -> dict[str, Any]:
    """Images a second of a small step, and the anonymous memory that it took, in memory (a tenth of the data) and from
    disk."""
    shape = (int(gigabytes * 1e9) // (3 * SIDE * SIDE), 3, SIDE, SIDE)
    path = folder / "images.npy"
    mapped = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    rng = np.random.default_rng(0)
    for at in range(0, len(mapped), 4096):
        mapped[at : at + 4096] = rng.integers(0, 256, (min(4096, len(mapped) - at), *shape[1:]), dtype=np.uint8)
    mapped.flush()
    del mapped
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    data = np.load(path, mmap_mode="r")
    preprocess = Preprocess(shape[1:], "uint8", range=(0.0, 1.0))
    known = {"batch_size": 64, "augment": "none", "seed": 0, "device": torch.device("cpu")}
    inside = Batches(torch.from_numpy(np.array(data[: len(data) // 10])), preprocess, **known)
    found = {"images": len(data), "bytes": path.stat().st_size, "memory": timed(inside)}
    del inside
    buffer = buffer_bytes // (3 * SIDE * SIDE)
    found["disk"] = timed(StreamedBatches(StoredRows(data), preprocess, buffer=buffer, **known))
    path.unlink()
    return found


def timed(batches: AbstractBatches) -> dict[str, float]:
    """An epoch of training steps of a small network."""
    size = 3 * SIDE * SIDE
    model = torch.nn.Sequential(torch.nn.Linear(size, 64), torch.nn.SiLU(), torch.nn.Linear(64, size))
    optimizer = torch.optim.AdamW(model.parameters())
    n, before, most, begun = 0, anonymous(), 0, time.perf_counter()
    for rows in batches.rows(0):
        x = batches.take(rows, generator_for(0)).flatten(1)
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), x).backward()
        optimizer.step()
        n, most = n + len(rows), max(most, anonymous())
    return {"images_per_second": n / (time.perf_counter() - begun), "anonymous_bytes": most - before}


def anonymous() -> int:
    """Bytes of memory of this process that are no file's."""
    found = re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["error", "speed"])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--gigabytes", type=float, default=0.8)
    parser.add_argument("--buffer", type=int, default=10_000_000, help="bytes")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        found = errors() if asked.what == "error" else speed(Path(folder), asked.gigabytes, asked.buffer)
    json.dump(found, sys.stdout)
    print()


if __name__ == "__main__":
    main()
