"""Shards on a cluster of Dask: two processes of this machine."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import tiny
from isthmus.errors import ResourceError, UsageError
from isthmus.runs.folder import RunFolder
from isthmus.tools.shards import pools
from isthmus.tools.shards.pools import dask_workers
from isthmus.tools.shards.shard_folder import process_shards
from isthmus.tools.shards.shard_listing import shards_of
from isthmus.tools.shards.shard_run import Workers

pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of the cluster, about sockets that it closes late
]


# Imported once, by a process of which all workers are copies; the last two are what a shard imports when it is there.
NEEDED = [
    "distributed",
    "torch",
    "isthmus.tools.shards",
    "isthmus.tools.inference.apply",
    "isthmus.tools.anomaly.score_table",
]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Any]:
    """Two workers; another one takes the place of one that is killed."""
    import dask
    from distributed import Client, LocalCluster
    from distributed.utils import get_mp_context

    options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context().set_forkserver_preload(NEEDED)
        with LocalCluster(local_directory=str(tmp_path), processes=True, **options) as found:
            yield found
            Client.current().close()  # which would go on looking for the cluster


@contextmanager
def one_thread() -> Iterator[Executor]:
    """One thread of this process, which computes as a worker does."""
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(1) as pool:
        yield pool
    torch.set_num_threads(threads)


def test_a_cluster_writes_the_same_bytes_also_when_a_worker_is_killed(
    cluster: Any, table_run: Any, tmp_path: Path
) -> None:
    (tmp_path / "parts").mkdir()
    for i in range(6):
        rows = pl.DataFrame(tiny.table(30 + i, seed=i), schema=list("abcdef"))
        rows.write_parquet(tmp_path / "parts" / f"p{i}.parquet")
    source, run = str(tmp_path / "parts"), RunFolder(table_run.path)
    shards = shards_of(source, "encode")
    given: dict[str, Any] = {"settings": {}, "options": {}}
    killed: list[int] = []

    def kill_once(done: int, total: int) -> None:
        if not killed:
            killed.append(next(iter(cluster.workers.values())).pid)
            os.kill(killed[0], signal.SIGKILL)

    workers = dask_workers(cluster.scheduler_address)
    assert workers.count == 2
    written = process_shards("encode", run, source, shards, tmp_path / "dask", workers, progress=kill_once, **given)
    assert (written.n, len(killed)) == (sum(range(30, 36)), 1)
    process_shards("encode", run, source, shards, tmp_path / "here", Workers(one_thread, 1), **given)
    for i in range(6):
        name = f"p{i}.parquet"
        assert (tmp_path / "dask" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "PATIENCE", 0.5)
    with pytest.raises(ResourceError, match=r"no Dask scheduler answers at 127\.0\.0\.1:1"):
        dask_workers("127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="needs the package distributed") as caught:
        dask_workers("127.0.0.1:1")
    assert "[dask]" in str(caught.value.fix)
