"""Facts about this machine, also with packages that are installed under another name."""

from __future__ import annotations

import importlib.metadata

import pytest

from isthmus.system import doctor


def test_a_module_from_a_package_of_another_name_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version

    def of(name: str) -> str:
        if name == "scikit-image":  # as onnxruntime, which onnxruntime-gpu installs as well
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", of)
    monkeypatch.setattr(doctor, "OPTIONAL", {"scikit-image": "json", "nosuch": "nosuch_module"})
    found = doctor.examine()
    assert (found["scikit-image"], found["nosuch"]) == ("installed", "not installed")
    assert found["cores"] > 0
