"""Rules for all tests: shapes are checked, one thread, no network, and no test without an assertion."""

from __future__ import annotations

import functools
import gc
import gzip
import ipaddress
import os
import shutil
import socket
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jaxtyping
import numpy as np
import polars as pl
import pytest

os.environ |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}  # also for the programs that tests start

# Enforces the shapes in annotations of these modules, so this must run before they are imported.
# Only the parts; other modules test their own errors.
SHAPED = ("corruptions", "bottlenecks", "likelihoods", "networks", "convolutions")
jaxtyping.install_import_hook([f"isthmus.parts.{name}" for name in SHAPED], "shapes.check")

import hypothesis  # noqa: E402
import torch  # noqa: E402
import typer.main  # noqa: E402

import isthmus.cli  # noqa: E402
import tiny  # noqa: E402
from bare_tests import bare_tests  # noqa: E402
from isthmus.api import Run  # noqa: E402
from isthmus.evaluation.metrics import baselines, learned_filter  # noqa: E402
from tiny import Digits  # noqa: E402

# The same for every command; creating it takes a fifth of a second, longer than many commands.
isthmus.cli.build_app = functools.cache(isthmus.cli.build_app)
typer.main.get_command = functools.cache(typer.main.get_command)

torch.set_num_threads(1)  # a second thread on a busy machine makes these small steps ten times slower

# Deterministic, so that a failing test always fails; no deadline, which would measure the machine, not the code.
hypothesis.settings.register_profile("isthmus", deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile("isthmus")


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: object) -> None:
    if name.startswith("test_") and name in bare_tests(collector.path):
        raise collector.CollectError(f"{collector.path.name}: {name} asserts nothing")


def pytest_collection_finish() -> None:
    """Excludes existing objects from garbage collection, which otherwise takes a third of a second each time."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Skips fsync, which matters only for a power failure; 5 to 10 ms per file are a quarter of a small training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)  # also raises for something that is not an open file
        yield


@pytest.fixture(scope="session", autouse=True)
def _filters_of_few_images() -> Iterator[None]:
    """Chooses and learns the filters that a denoiser is compared with on a tenth of the data; all would take half of
    the time of a short training.

    They are compared with independent ones in tests/evaluation/metrics, by so few as well.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "TUNING_IMAGES", 10)
        patch.setattr(learned_filter, "PATCHES", 20_000)
        yield


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allows connections only to this machine."""
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))


def _guarded(connect: Any) -> Any:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
            pytest.fail(f"a test opened a connection to {address[0]}; the network is off")
        return connect(self, address)

    return guarded


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture(scope="session")
def digits() -> Digits:
    """400 real digits, 28 x 28 bytes, read with numpy only, from the table in the package."""
    table = resources.files("isthmus") / "data" / "mnist-2k.csv.gz"
    with table.open("rb") as packed, gzip.open(packed, "rt") as text:
        rows = np.loadtxt(text, delimiter=",", skiprows=1, max_rows=400, dtype=np.uint8)
    return Digits(rows[:, 1:].reshape(-1, 1, 28, 28), rows[:, 0].astype(np.int64))


@pytest.fixture(scope="session")
def images(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 200 digits."""
    path = tmp_path_factory.mktemp("data") / "my digits.npy"
    np.save(path, digits.x[:200])
    return path


@pytest.fixture(scope="session")
def denoiser(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run, which must not be changed."""
    with tiny.assert_global_generator_untouched():
        return isthmus.train(images, noise="gaussian:0.5", out=tmp_path_factory.mktemp("runs") / "a", **tiny.FAST)


@pytest.fixture(scope="session")
def digit_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on the included digits, with labels, whose images can be read; tests may add files to latent/."""
    settings = tiny.SMALL | {"hidden": [128], "z_size": 12, "epochs": 8, "init": "orthogonal"}
    return isthmus.train("mnist-2k", out=tmp_path_factory.mktemp("runs") / "digits", show=False, **settings)


@pytest.fixture(scope="session")
def table_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on 1,000 rows of six named columns from three numbers; tests may add files to latent/."""
    folder = tmp_path_factory.mktemp("table")
    pl.DataFrame(tiny.table(1_000), schema=list("abcdef")).write_csv(folder / "rows.csv")
    settings = tiny.FAST | {"hidden": [32], "z_size": 3, "epochs": 12, "device": "cpu"}
    return isthmus.train(folder / "rows.csv", out=folder / "run", **settings)


@pytest.fixture
def copy(denoiser: Run, tmp_path: Path) -> Path:
    """The folder of a finished run that may be changed."""
    return Path(shutil.copytree(denoiser.path, tmp_path / "copy"))
