"""Training from disk compared with training in memory: the error, also on data sorted by class, and the speed.

`python benchmarks/streaming.py error` trains small models on digits, sorted by class, with five seeds, in memory and
from disk with buffers of several sizes. `python benchmarks/streaming.py speed FOLDER` writes images into FOLDER, and
trains a small network on them in memory and from disk, in turns; before each turn, the file's pages are released.
The file is removed at the end. `--gigabytes` sets its size, which may exceed the memory limit of `prlimit --data`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path
from statistics import median
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
SIDE = 64  # side in pixels of the images that are timed, in color: 12 kB each
INSIDE, STEPS = 8_192, 50  # images in memory; steps per turn


def errors() -> dict[str, list[float]]:
    """Errors on 400 held-out digits for each place of the 1,600 others, which are sorted by class; one per seed."""
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
    """The squared error on `test` after EPOCHS with a decaying rate, with the package's batches."""
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


def speed(folder: Path, gigabytes: float, buffer_bytes: int, rounds: int) -> dict[str, Any]:
    """Images per second of a small step in memory (part of the data) and from disk, in turns, the median of the ratios,
    and the anonymous memory that the turns added, in the first and in the last turn."""
    n = int(gigabytes * 1e9) // (3 * SIDE * SIDE)
    data = np.load(written(folder / "images.npy", n), mmap_mode="r")
    preprocess = Preprocess(data.shape[1:], "uint8", range=(0.0, 1.0))
    known = {"batch_size": 64, "augment": "none", "seed": 0, "device": torch.device("cpu")}
    buffer = buffer_bytes // (3 * SIDE * SIDE)
    kinds = {
        "memory": turns(Batches(torch.from_numpy(np.array(data[:INSIDE])), preprocess, **known)),
        "disk": turns(StreamedBatches(StoredRows(data), preprocess, buffer=buffer, **known)),
    }
    before, speeds, anonymous_bytes = anonymous(), [], []
    for _ in range(rounds + 1):
        speeds.append({name: STEPS * 64 / next(turn) for name, turn in kinds.items()})
        anonymous_bytes.append(anonymous() - before)
    ratios = sorted(turn["disk"] / turn["memory"] for turn in speeds[1:])
    found = {name: round(median(turn[name] for turn in speeds[1:])) for name in kinds}
    about = {"images": n, "bytes": (folder / "images.npy").stat().st_size, "passed": (rounds + 1) * STEPS * 64}
    quartiles = ratios[len(ratios) // 4], median(ratios), ratios[3 * len(ratios) // 4]
    last = [anonymous_bytes[0], *anonymous_bytes[rounds // 2 :: max(1, rounds // 6)]]
    return about | found | {"disk_over_memory": [round(r, 2) for r in quartiles], "anonymous_bytes": last}


def written(path: Path, n: int) -> Path:
    """n random images, with no page of them in memory."""
    some = np.random.default_rng(0).integers(0, 256, (4096, 3, SIDE, SIDE), dtype=np.uint8)
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (n, 3, SIDE, SIDE)}
        np.lib.format.write_array_header_1_0(file, header)
        for at in range(0, n, len(some)):
            file.write(some[: n - at].tobytes())
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return path


def turns(batches: AbstractBatches) -> Iterator[float]:
    """Yields the seconds of the next STEPS training steps of a small network, epoch after epoch."""
    size = 3 * SIDE * SIDE
    model = torch.nn.Sequential(torch.nn.Linear(size, 64), torch.nn.SiLU(), torch.nn.Linear(64, size))
    optimizer = torch.optim.AdamW(model.parameters())
    rows = (rows for epoch in count() for rows in batches.rows(epoch))
    while True:
        begun = time.perf_counter()
        for _ in range(STEPS):
            x = batches.take(next(rows), generator_for(0)).flatten(1)
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(x), x).backward()
            optimizer.step()
        yield time.perf_counter() - begun


def anonymous() -> int:
    """Bytes of memory of this process that are not backed by a file."""
    found = re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["error", "speed"])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--gigabytes", type=float, default=0.8)
    parser.add_argument("--buffer", type=int, default=10_000_000, help="bytes")
    parser.add_argument("--rounds", type=int, default=20)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        found = errors() if asked.what == "error" else speed(Path(folder), asked.gigabytes, asked.buffer, asked.rounds)
    json.dump(found, sys.stdout)
    print()


if __name__ == "__main__":
    main()
