"""Data larger than the allowed memory: streamed by every reader, with constant memory, and resumed bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

import isthmus
import tiny
from isthmus.data.check import check
from isthmus.data.streaming import fitting_buffer
from isthmus.errors import Interrupted, ResourceError, UsageError
from isthmus.pipeline.train import configure
from isthmus.settings import read as read_settings
from isthmus.system import passing_errors
from isthmus.training import prepare
from isthmus.training.display import Quiet

PIXELS = np.random.default_rng(0).integers(0, 256, (300, 10, 9), dtype=np.uint8)
TABLE = tiny.table(300)
SHORT: dict[str, Any] = tiny.FAST | {"memory": "12KB", "batch_size": 8, "augment": "shift:1"}


def source_of(folder: Path, kind: str) -> Path:
    """The same samples in files of this kind."""
    path = folder / f"data.{kind}"
    if kind == "npy":
        np.save(path, PIXELS)
    elif kind == "npz":
        np.savez_compressed(path, x=PIXELS)
    elif kind == "csv":
        pl.DataFrame(TABLE).write_csv(path)
    elif kind == "parquet":
        pl.DataFrame(TABLE).write_parquet(path)
    else:
        path = folder / kind
        path.mkdir()
        for k, pixels in enumerate(PIXELS):
            if kind == "images":
                Image.fromarray(pixels).save(path / f"{k}.png")
            elif k % 100 == 0:
                np.save(path / f"part-{k // 100}.npy", PIXELS[k : k + 100])
    return path


def prepared(source: Path, **settings: Any) -> Any:
    config = configure(str(source), None, None, settings)
    return prepare.prepare(config, prepare.read_splits(config, None, Quiet()))


@pytest.mark.parametrize("kind", ["npy", "npz", "csv", "parquet", "images", "shards"])
def test_every_kind_of_file_is_streamed_where_memory_is_short(tmp_path: Path, kind: str) -> None:
    path = source_of(tmp_path, kind)
    inside, streamed = prepared(path), prepared(path, memory="6KB")
    train, wanted = streamed.splits.train, inside.splits.train
    assert (train.is_streamed, wanted.is_streamed) == (True, False)
    known = {name: i for i, name in enumerate(wanted.ids)}
    both = [(row, known[train.id_of(row)]) for row in range(len(train)) if train.id_of(row) in known]
    assert len(both) > 200
    ours, theirs = (np.array(rows) for rows in zip(*both, strict=True))
    np.testing.assert_array_equal(np.stack([train.x[int(row)] for row in ours]), wanted.x[theirs])
    held = {*streamed.splits.validation.ids, *streamed.splits.test.ids}
    assert len(held) == len(streamed.splits.validation) + len(streamed.splits.test)
    assert held.isdisjoint(train.ids)
    assert "more than the 4.8 kB available for it; it is read from disk during training" in str(streamed.said)
    assert (inside.config.data.stream, streamed.config.data.stream) == ("no", "yes")


def test_few_samples_of_a_large_file_are_in_memory(tmp_path: Path) -> None:
    ready = prepared(source_of(tmp_path, "npy"), memory="6KB", limit=40)
    assert (ready.splits.train.is_streamed, len(ready.splits.train)) == (False, 40)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An uninterrupted run on data that is read from disk."""
    folder = tmp_path_factory.mktemp("whole")
    data = source_of(folder, "npy")
    return isthmus.train(
        data, out=folder / "run", **tiny.FAST | {"memory": "12KB", "batch_size": 8, "augment": "shift:1"}
    )


def test_a_streamed_run_is_judged_like_any_other(whole: Any) -> None:
    settings = read_settings(whole.path / "config.toml")["data"]
    assert (settings["stream"], settings["buffer"], settings["held"]) == ("yes", fitting_buffer(90, 300, 9600), 30)
    assert whole.metrics["data"]["n_train"] + 60 == 300
    assert whole.metrics["baselines"]["pca"]["mse"] < whole.metrics["baselines"]["mean"]["mse"]
    assert {"codes", "training_rows", "set"} <= {path.name for path in (whole.path / "latent").iterdir()}
    again = isthmus.evaluate(whole.path)
    assert again["test"] == whole.metrics["test"]


def test_stopped_in_the_middle_and_gone_on_elsewhere_is_the_same_to_the_bit(whole: Any, tmp_path: Path) -> None:
    data = whole.path.parent / "data.npy"
    with pytest.raises(Interrupted):
        isthmus.train(data, out=tmp_path / "run", **SHORT | {"show": tiny.Said(stop_at=38)})
    config = tmp_path / "run" / "config.toml"  # even if more memory is free, streamed data stays streamed
    config.write_text(config.read_text().replace('memory = "12KB"', 'memory = "1GB"'))
    tiny.assert_same_weights(isthmus.resume(tmp_path / "run", show=False), whole)


def test_fault_161_a_disk_that_is_gone_amid_an_epoch_costs_no_step(
    whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing_errors, "LIMIT", 0.02)
    path, read = tmp_path / "data.npy", os.pread
    path.write_bytes((whole.path.parent / "data.npy").read_bytes())

    class Unplugs(tiny.Said):
        """Makes the disk fail from some step on."""

        def step(self, progress: Any) -> None:
            if progress.step >= 38:
                monkeypatch.setattr(os, "pread", lambda *given: read(-1, *given[1:]))

    with pytest.raises(
        ResourceError, match=r"data\.npy can no longer be read: .* Everything up to epoch 2, .* is saved"
    ) as caught:
        isthmus.train(path, out=tmp_path / "run", **SHORT | {"show": Unplugs()})
    assert caught.value.fix == (f"restore {path} as it was, then continue with `isthmus resume {tmp_path / 'run'}`")
    monkeypatch.setattr(os, "pread", read)
    tiny.assert_same_weights(isthmus.resume(tmp_path / "run", show=False), whole)


def test_other_data_is_evaluated_from_disk(whole: Any, tmp_path: Path) -> None:
    data = source_of(tmp_path, "npy")
    inside = isthmus.evaluate(whole.path, data)
    streamed = isthmus.evaluate(whole.path, data, settings={"memory": "6KB"})
    assert streamed["data"] == inside["data"]
    assert streamed["test"]["mse"] == pytest.approx(inside["test"]["mse"], rel=1e-6)  # in other chunks


def test_check_says_the_same_of_data_on_disk(tmp_path: Path) -> None:
    from isthmus.config import DataConfig

    path = source_of(tmp_path, "images")
    assert check(path, DataConfig(memory="6KB")).as_dict() == check(path).as_dict()


def test_a_size_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'plenty' is not an amount of memory"):
        prepared(source_of(tmp_path, "npy"), memory="plenty")


def test_fault_151_pairs_that_memory_does_not_hold_are_refused(tmp_path: Path) -> None:
    for name in ("noisy", "clean"):
        (tmp_path / name).mkdir()
        source_of(tmp_path / name, "npy")
    with pytest.raises(ResourceError, match=r"pairs cannot be read from disk .* needs 54\.0 kB of memory; 6\.0 kB are"):
        prepared(tmp_path / "noisy" / "data.npy", target=str(tmp_path / "clean" / "data.npy"), memory="6KB")


@pytest.mark.parametrize("kind", ["npy", "npz", "csv", "images", "shards"])
def test_fault_151_pairs_that_are_too_large_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))  # where the file for them would be created
    source = source_of(tmp_path, kind)
    with pytest.raises(ResourceError, match="pairs cannot be read from disk during training"):
        prepared(source, target=str(tmp_path / "is never looked for.npy"), memory="6KB")


FLAT = """
import json, re, sys, torch, numpy as np
from pathlib import Path
from isthmus.data.batching.preprocess import Preprocess
from isthmus.data.batching.streamed_batches import StreamedBatches
from isthmus.data.stored_rows import StoredRows
from isthmus.randomness import generator_for

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

x = np.load(sys.argv[1], mmap_mode="r")
made = StreamedBatches(StoredRows(x), Preprocess(x.shape[1:], "uint8", range=(0.0, 1.0)), buffer=1000, batch_size=50,
                       augment="none", seed=0, device=torch.device("cpu"))
seen, before = [], None
for epoch in range(2):
    for rows in made.rows(epoch):
        made.take(rows, generator_for(0))
        before = anonymous() if before is None else before
        seen.append(anonymous() - before)
print(json.dumps({"most": max(seen), "later": max(seen[len(seen) // 2 :])}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_data(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    x = np.lib.format.open_memmap(path, "w+", np.uint8, (20_000, 3, 32, 32))  # 61 MB, a buffer is 3 MB
    x[::997] = 7
    done = subprocess.run([sys.executable, "-c", FLAT, str(path)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["most"] < 20_000_000  # three buffers and what the allocator keeps


@pytest.mark.parametrize("samples", [10, 300])
def test_the_buffer_is_what_memory_allows(samples: int) -> None:
    assert fitting_buffer(1000, samples, 1_600_000) == min(100, samples)
    assert fitting_buffer(10**9, samples, 1_600_000) == 1
    assert fitting_buffer(784, 10**9, None) == 2**28 // 784
