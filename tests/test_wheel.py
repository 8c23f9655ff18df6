"""The wheel, built here without network: it contains what the package needs, and nothing else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "isthmus"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of the wheel, by their paths in it."""
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not here: pip install hatchling")
    out = tmp_path_factory.mktemp("dist")
    (built,) = wheel.WheelBuilder(str(ROOT)).build(directory=str(out), versions=["standard"])
    with zipfile.ZipFile(built) as content:
        return set(content.namelist())


def test_the_wheel_holds_every_file_of_the_package(names: set[str]) -> None:
    here = {p.relative_to(PACKAGE.parent).as_posix() for p in PACKAGE.rglob("*")
            if p.is_file() and "__pycache__" not in p.parts}  # fmt: skip
    assert {name for name in names if name.startswith("isthmus/")} == here


def test_the_wheel_holds_data_weights_pages_and_licenses(names: set[str]) -> None:
    wanted = {
        "data/mnist-2k.csv.gz", "models/photo_weights/color/model.safetensors", "report/templates/style.css",
        "web/static/index.html", "py.typed",
    }  # fmt: skip
    assert {f"isthmus/{name}" for name in wanted} <= names
    assert {name.rpartition("/")[2] for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}


def test_the_wheel_holds_nothing_else(names: set[str]) -> None:
    assert {name.split("/")[0].split("-")[0] for name in names} == {"isthmus"}
