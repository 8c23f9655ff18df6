from __future__ import annotations

import errno
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import tiny
from faulty import failing_disk
from isthmus.errors import DataError, ResourceError, UsageError
from isthmus.runs.folder import RunFolder
from isthmus.system import files, passing_errors
from isthmus.system.swapping import mark_in_use
from isthmus.tools.anomaly.score_table import score
from isthmus.tools.inference import apply
from isthmus.tools.shards.pools import local_workers
from isthmus.tools.shards.shard_folder import ShardsWritten, merged, process_shards
from isthmus.tools.shards.shard_listing import shards_of
from isthmus.tools.shards.shard_run import Workers
from isthmus.tools.shards.shard_task import ShardTask, checksum, process_shard, weights_of
from isthmus.wording import counted


@contextmanager
def _here() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


HERE = Workers(_here, 1)


@pytest.fixture
def run(table_run: Any) -> RunFolder:
    return RunFolder(table_run.path)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    folder = tmp_path / "parts"
    folder.mkdir()
    for i in range(5):
        rows = pl.DataFrame(tiny.table(40 + i, seed=i), schema=list("abcdef"))
        rows.write_csv(folder / f"part-{i}.csv")
    return folder


def processed(
    run: RunFolder, parts: Path, out: Path, workers: Workers = HERE, task: str = "encode", **more: Any
) -> ShardsWritten:
    form, options = more.pop("form", None), more.pop("options", {})
    shards = shards_of(str(parts), task, form=form)
    return process_shards(task, run, str(parts), shards, out, workers, settings={}, options=options, **more)


def test_each_shard_is_what_the_command_makes_of_it_alone(run: RunFolder, parts: Path, tmp_path: Path) -> None:
    written = processed(run, parts, tmp_path / "codes")
    assert (written.n, written.shards, written.left) == (40 + 41 + 42 + 43 + 44, 5, 0)
    scores = processed(run, parts, tmp_path / "scores", task="score", form="parquet", options={"false_alarms": 0.05})
    flags = 0
    for i in range(5):
        apply.encode(run, parts / f"part-{i}.csv", tmp_path / "alone.csv")
        assert (tmp_path / "codes" / f"part-{i}.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
        flags += score(run, parts / f"part-{i}.csv", tmp_path / "alone.parquet", false_alarms=0.05).n_outliers
        found = pl.read_parquet(tmp_path / "scores" / f"part-{i}.parquet")
        assert found.equals(pl.read_parquet(tmp_path / "alone.parquet"))
    assert scores.outliers == flags


def test_the_manifest_tells_the_weights_and_every_checksum(run: RunFolder, parts: Path, tmp_path: Path) -> None:
    processed(run, parts, tmp_path / "codes")
    told = json.loads((tmp_path / "codes" / "MANIFEST.json").read_text())
    assert told["about"]["weights"] == run.model.weights_sha256
    assert list(told["shards"]) == [f"part-{i}.csv" for i in range(5)]
    for name, entry in told["shards"].items():
        assert (entry["bytes"], entry["sha256"]) == checksum(tmp_path / "codes" / name)


def test_what_is_there_is_left_and_what_changed_is_made_anew(run: RunFolder, parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "codes"
    processed(run, parts, out)
    first = {path.name: path.stat().st_mtime_ns for path in out.glob("*.csv")}
    assert processed(run, parts, out).left == 5
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("*.csv")} == first
    pl.DataFrame(tiny.table(7), schema=list("abcdef")).write_csv(parts / "part-1.csv")  # another input
    whole = (out / "part-2.csv").read_bytes()
    about = (out / "part-2.csv").stat()
    (out / "part-2.csv").write_bytes(whole.replace(b"1", b"2", 1))  # a bit of the disk
    os.utime(out / "part-2.csv", ns=(about.st_atime_ns, about.st_mtime_ns))
    (out / "part-3.csv").unlink()  # a lost result
    again = processed(run, parts, out)
    assert (again.left, again.n) == (2, 40 + 7 + 42 + 43 + 44)
    assert (out / "part-2.csv").read_bytes() == whole
    (out / "part-2.csv").write_bytes(whole + b"mine\n")  # somebody's work
    with pytest.raises(UsageError, match=r"would be overwritten") as caught:
        processed(run, parts, out)
    assert caught.value.problems == ("part-2.csv",)
    (out / "part-2.csv").unlink()
    processed(run, parts, out)
    (parts / "part-4.csv").unlink()
    less = processed(run, parts, out)
    assert (less.shards, less.left, less.n) == (4, 4, 40 + 7 + 42 + 43)
    assert any("still has 1 file from shards that no longer exist, such as part-4.csv" in s for s in less.said)


def test_another_model_or_other_options_make_all_anew(run: RunFolder, parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores"
    processed(run, parts, out, task="score", options={"false_alarms": 0.05})
    assert processed(run, parts, out, task="score", options={"false_alarms": 0.1}).left == 0
    with pytest.raises(UsageError, match="has results of `isthmus score`, but this is `isthmus encode`"):
        processed(run, parts, out)


def test_what_others_wrote_is_never_replaced(run: RunFolder, parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "codes"
    out.mkdir()
    (out / "part-3.csv").write_text("mine")
    with pytest.raises(UsageError, match="contains a file that would be overwritten"):
        processed(run, parts, out)
    assert [path.name for path in out.iterdir()] == ["part-3.csv"]
    for place in (parts, parts / "codes", tmp_path):
        with pytest.raises(UsageError):
            processed(run, parts, place)
    for name in ("codes.csv", "codes.TSV"):
        with pytest.raises(UsageError, match="is a single file, but the results of shards are a folder"):
            processed(run, parts, tmp_path / name)
    assert sorted(path.name for path in parts.iterdir()) == [f"part-{i}.csv" for i in range(5)]


def test_a_shard_that_cannot_be_read_is_named_and_the_others_are_written(
    run: RunFolder, parts: Path, tmp_path: Path
) -> None:
    (parts / "part-2.csv").write_text("a,b,c,d,e,f\n1,2,3,4,5,oops\n")
    with pytest.raises(DataError, match="1 of 5 shards could not be written") as caught:
        processed(run, parts, tmp_path / "codes")
    assert caught.value.problems[0].startswith("part-2.csv: ")
    assert "oops" in caught.value.problems[0]
    assert len(list((tmp_path / "codes").glob("*.csv"))) == 4
    pl.DataFrame(tiny.table(9), schema=list("abcdef")).write_csv(parts / "part-2.csv")
    assert processed(run, parts, tmp_path / "codes").left == 4


def test_fault_51_what_a_killed_command_left_half_written_is_cleared_away(
    run: RunFolder, parts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "codes"
    processed(run, parts, out)
    (out / "part-1.csv").unlink()
    for name in (".part-left.csv", ".part-now.csv", "part-mine.txt"):
        (out / name).write_text("1,2,")
    with (out / ".part-now.csv").open("a") as now:
        mark_in_use(now.fileno())  # as another command does that writes there
        processed(run, parts, out)
    left = {path.name for path in out.iterdir()} - {f"part-{i}.csv" for i in range(5)}
    assert left == {".isthmus.json", "MANIFEST.json", ".part-now.csv", "part-mine.txt"}


@pytest.mark.parametrize("held", range(7))
def test_fault_52_a_disk_that_fills_up_amid_shards_costs_those_that_did_not_fit(
    held: int, run: RunFolder, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processed(run, parts, tmp_path / "whole")
    flush, written = files._flush, []

    def filling(path: Path) -> None:  # the manifest is a file as well, written once before and once after the shards
        written.append(path)
        if len(written) > held:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(path)

    with monkeypatch.context() as full:
        full.setattr(files, "_flush", filling)
        with pytest.raises(ResourceError, match=r"No space left on device|could not be written"):
            processed(run, parts, tmp_path / "codes")
    for path in (tmp_path / "codes").glob("*.csv"):  # whole, or not there
        assert path.read_bytes() == (tmp_path / "whole" / path.name).read_bytes()
    done = processed(run, parts, tmp_path / "codes")
    assert (done.n, done.shards) == (40 + 41 + 42 + 43 + 44, 5)
    for i in range(5):
        name = f"part-{i}.csv"
        assert (tmp_path / "codes" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def task_of(run: RunFolder, parts: Path, out: Path, task: str = "encode") -> ShardTask:
    weights = str(run.model.weights_sha256)
    return ShardTask(task, str(run.path), str(parts / "part-0.csv"), str(out), weights, {}, {})


@pytest.mark.parametrize("task", ["encode", "score"])
def test_fault_68_a_shard_is_written_whichever_call_fails_for_the_moment(
    task: str, run: RunFolder, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing_errors, "PAUSE", 0.001)
    assert process_shard(task_of(run, parts, tmp_path / "whole.csv", task)).error is None
    at, failed = 1, True
    while failed:
        with failing_disk(at, errno.ESTALE) as disk:
            found = process_shard(task_of(run, parts, tmp_path / "out.csv", task))
        assert found.error is None
        assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
        at, failed = at + 1, disk.has_failed
    assert at > 3


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EIO, "Input/output error"), "Input/output error."),
        (MemoryError(), "there is not enough memory."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "there is not enough memory."),
        (torch.OutOfMemoryError("CUDA out of memory."), "there is not enough memory."),
    ],
)
def test_fault_49_162_a_shard_that_memory_or_disk_does_not_give_is_named_and_the_others_are_written(
    error: Exception, said: str, run: RunFolder, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = apply.encode

    def failing(run: RunFolder, source: str, *given: Any, **more: Any) -> Any:
        if source.endswith("part-3.csv"):
            raise error
        return encode(run, source, *given, **more)

    monkeypatch.setattr(apply, "encode", failing)
    with pytest.raises(ResourceError, match="1 of 5 shards could not be written") as caught:
        processed(run, parts, tmp_path / "codes")
    assert caught.value.problems == (f"part-3.csv: {said}",)
    monkeypatch.setattr(apply, "encode", encode)
    assert processed(run, parts, tmp_path / "codes").left == 4


def test_a_run_that_was_trained_further_meanwhile_is_refused(run: RunFolder, parts: Path, tmp_path: Path) -> None:
    given = ShardTask("encode", str(run.path), str(parts / "part-0.csv"), str(tmp_path / "a.csv"), "0" * 64, {}, {})
    result = process_shard(given)
    assert result.error is not None
    assert (result.error[0], "was trained further" in result.error[1]) == (4, True)
    assert not (tmp_path / "a.csv").exists()


def test_folders_of_images_as_shards(denoiser: Any, digits: tiny.Digits, tmp_path: Path) -> None:
    from PIL import Image

    for day in ("monday", "tuesday"):
        (tmp_path / "days" / day).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(digits.x[i, 0]).save(tmp_path / "days" / day / f"{i}.png")
    run, source = RunFolder(denoiser.path), str(tmp_path / "days")
    shards = shards_of(source, "denoise", folders=True)
    given: dict[str, Any] = {"settings": {}, "options": {}}
    assert process_shards("denoise", run, source, shards, tmp_path / "clean", HERE, **given).n == 6
    assert sorted(p.name for p in (tmp_path / "clean" / "monday").glob("*.png")) == ["0.png", "1.png", "2.png"]
    assert process_shards("denoise", run, source, shards, tmp_path / "clean", HERE, **given).left == 2


def test_a_worker_that_is_killed_costs_its_shards_and_no_byte(run: RunFolder, parts: Path, tmp_path: Path) -> None:
    killed = []

    def kill_once(done: int, total: int) -> None:
        workers = [child for child in multiprocessing.active_children() if child.pid is not None]
        if not killed and done < total:
            killed.append(workers[0].pid)
            os.kill(workers[0].pid or 0, signal.SIGKILL)

    written = processed(run, parts, tmp_path / "two", local_workers(2), form="parquet", progress=kill_once)
    assert killed
    assert written.n == 40 + 41 + 42 + 43 + 44
    processed(run, parts, tmp_path / "one", form="parquet")
    for i in range(5):
        name = f"part-{i}.parquet"
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_workers_end_with_the_process_that_started_them(table_run: Any, parts: Path, tmp_path: Path) -> None:
    for i in range(40):
        shutil.copy(parts / "part-0.csv", parts / f"more-{i}.csv")
    command = [sys.executable, "-m", "isthmus", "encode", str(table_run.path), str(parts), "-o", str(tmp_path / "out")]
    with subprocess.Popen([*command, "--workers", "2"], stderr=subprocess.DEVNULL) as parent:
        until = time.monotonic() + 120
        while not list((tmp_path / "out").glob("*.csv")) and time.monotonic() < until:
            time.sleep(0.1)
        children = [int(pid) for pid in Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()]
        assert len(children) >= 2
        parent.kill()
    while any(Path(f"/proc/{pid}/cmdline").exists() for pid in children) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(_runs(pid) for pid in children)
    run = RunFolder(table_run.path)
    assert processed(run, parts, tmp_path / "out").n == 41 * 40 + 41 + 42 + 43 + 44  # what was begun goes on


def _runs(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_photo_takes_arrays_as_shards(tmp_path: Path) -> None:
    (tmp_path / "stacks").mkdir()
    noisy = np.random.default_rng(0).integers(256, size=(2, 24, 32)).astype(np.uint8)
    np.save(tmp_path / "stacks" / "a.npy", noisy)
    source = str(tmp_path / "stacks")
    given: dict[str, Any] = {"settings": {}, "options": {"strength": 1.0}}
    written = process_shards("denoise", "photo", source, shards_of(source, "denoise"), tmp_path / "o", HERE, **given)
    assert written.n == 2
    assert np.load(tmp_path / "o" / "a.npy").std() < 0.9 * noisy.std()
    assert len(weights_of("photo")) == 64


def test_notes_that_differ_only_in_numbers_are_said_once() -> None:
    many = [(f"in/part-{i}.csv", f"part-{i}.csv has {counted(i + 2, 'gap')}") for i in range(1000)]
    same = [(f"in/part-{i}.csv", "labels are left out") for i in range(3)]
    assert merged([*many, *same, ("", "out still has 1 file")]) == [
        "out still has 1 file",
        "labels are left out (in 3 shards)",
        "part-0.csv has 2 gaps (and similar in 999 other shards)",
    ]
    assert merged([("a.csv", "a.csv: 1"), ("b.csv", "b.csv: 2")]) == ["a.csv: 1 (and similar in 1 other shard)"]
    assert merged([]) == []
