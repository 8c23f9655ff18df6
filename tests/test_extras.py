"""The command in a message installs what is missing, in the user's situation."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shlex
import sys
import tomllib
from importlib.metadata import PathDistribution
from pathlib import Path
from types import SimpleNamespace

import pytest

from isthmus import extras

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]


def installed(folder: Path, direct_url: dict | None) -> PathDistribution:
    """An installed isthmus, as pip records one."""
    home = folder / "isthmus-0.1.0.dist-info"
    home.mkdir()
    lines = ["Metadata-Version: 2.4", "Name: isthmus", "Requires-Dist: numpy"]
    lines += [f"Requires-Dist: {text}; extra == '{name}'" for name, texts in EXTRAS.items() for text in texts]
    (home / "METADATA").write_text("\n".join(lines))
    if direct_url is not None:
        (home / "direct_url.json").write_text(json.dumps(direct_url))
    return PathDistribution(home)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of this environment's own pip, which is the first one found."""
    programs = tmp_path / "environment" / "bin"
    programs.mkdir(parents=True)
    (programs / "pip").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.setattr(sys, "prefix", str(programs.parent))
    return programs


def at(monkeypatch: pytest.MonkeyPatch, distribution: PathDistribution) -> None:
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: distribution)
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: distribution.requires)


def test_a_checkout_is_named_by_its_path(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = tmp_path / "my code"
    at(monkeypatch, installed(tmp_path, {"url": checkout.as_uri(), "dir_info": {"editable": True}}))
    assert extras.installing("web") == f"pip install -e '{checkout}[web]'"


@pytest.mark.parametrize("origin", [None, {"url": "file:///w/isthmus.whl", "archive_info": {}}, {"dir_info": {}}])
@pytest.mark.parametrize("extra", ["baselines", "onnx", "umap", "web"])
def test_elsewhere_the_packages_are_named_as_they_are_declared(
    extra: str, origin: dict | None, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, installed(tmp_path, origin))
    quoted = [f"'{package}'" for package in EXTRAS[extra]]  # unquoted, `>` would make the shell write a file
    assert extras.installing(extra) == " ".join(["pip", "install", *quoted])


def test_another_environments_pip_is_not_named(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, installed(tmp_path, None))
    (other := tmp_path / "my other").mkdir()
    monkeypatch.setattr(sys, "executable", str(other / "python"))
    assert extras.installing("umap") == f"'{other}/python' -m pip install 'umap-learn>=0.5.7'"


def test_outside_of_environments_the_python_is_named(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first pip may belong to another version than the system's Python."""
    at(monkeypatch, installed(tmp_path, None))
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    assert extras.installing("umap").startswith(f"{place / 'python'} -m pip install ")


def test_uv_where_there_is_no_pip(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, installed(tmp_path, None))
    (place / "pip").rename(place / "uv")
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    assert extras.installing("umap").startswith(f"uv pip install --python {place / 'python'} 'umap-learn>=")


def test_what_is_not_installed_at_all_is_a_checkout(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    assert shlex.split(extras.installing("web")) == ["pip", "install", "-e", f"{ROOT}[web]"]


def test_windows_has_quotes_of_its_own(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, installed(tmp_path, None))
    monkeypatch.setattr(extras, "os", SimpleNamespace(name="nt"))
    assert extras._quoted("umap-learn>=0.5.7") == '"umap-learn>=0.5.7"'
    assert extras._quoted("pip") == "pip"


def test_no_message_names_a_command_of_its_own() -> None:
    """Any other text that tells users to install something would be wrong in some situation."""
    files = [path for path in (ROOT / "src").rglob("*.py") if path.name != "extras.py"]
    found = {path.name for path in files if re.search(r"pip install|isthmus\[", path.read_text("utf-8"))}
    assert found == set()
