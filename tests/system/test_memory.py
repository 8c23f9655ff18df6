"""Free memory: told by the system and by the container, refused before an array is made."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from isthmus.errors import ResourceError
from isthmus.system import memory


def test_agrees_with_psutil() -> None:
    found = memory._system()
    assert found is not None
    assert found == pytest.approx(psutil.virtual_memory().available, rel=0.2)  # other programs work at the same time


def test_fault_05_too_large_is_refused_with_both_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_000_000_000)
    memory.refuse_too_large(700_000_000, "reading x", fix="take less")
    with pytest.raises(ResourceError, match=r"reading x needs 800\.0 GB of memory; 1\.0 GB are free") as caught:
        memory.refuse_too_large(800_000_000_000, "reading x", fix="take less")
    assert caught.value.exit_code == 5
    assert caught.value.fix == "take less"


def test_unknown_memory_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_system", lambda: None)
    monkeypatch.setattr(memory, "_container", lambda: None)
    assert memory.available_bytes() is None
    assert memory.refuse_too_large(1 << 60, "reading x", fix="take less") is None


def test_container_limit_counts_file_cache_as_free(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 150\n")
    assert memory._container(tmp_path) == 450
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._container(tmp_path) is None
    assert memory._container(tmp_path / "none") is None


@pytest.mark.parametrize(("n", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (10**15, "1,000.0 TB")])
def test_sizes_for_people(n: int, text: str) -> None:
    assert memory.size_of(n) == text
