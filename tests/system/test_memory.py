"""Free memory of the system and the container; too large arrays are refused before they are allocated."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from isthmus.errors import ResourceError, UsageError
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
    monkeypatch.setattr(memory, "_process", lambda: None)
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


def test_groups_of_version_1_and_those_above_count(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("4:memory:/a/b\n3:cpu,cpuacct:/\n0::/c\n")
    for folder, limit, used in (("memory/a", 900, 500), ("memory/a/b", 2**63 - 4096, 100)):
        group = tmp_path / folder
        group.mkdir(parents=True)
        (group / "memory.limit_in_bytes").write_text(str(limit))
        (group / "memory.usage_in_bytes").write_text(str(used))
        (group / "memory.stat").write_text("total_inactive_file 40\ntotal_active_file 2\n")
    assert memory._container(tmp_path, own) == 442
    above = tmp_path / "c"
    above.mkdir()
    for name, text in (("memory.max", "400"), ("memory.current", "90"), ("memory.stat", "active_file 10")):
        (above / name).write_text(text)
    assert memory._container(tmp_path, own) == 320


def test_limits_of_the_process_count_what_it_holds_already(tmp_path: Path) -> None:
    code = "from isthmus.system import memory; print(memory._process(), memory.available_bytes())"
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_DATA, (10**9, 10**9)); {code}"
    done = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, check=True)
    left, free = map(int, done.stdout.split())
    assert 0.5e9 < left < 1e9
    assert free <= 1e9
    assert memory._process(tmp_path / "none") is None


def test_no_more_than_is_allowed_counts_as_available() -> None:
    with memory.at_most(1000), memory.at_most(None), memory.at_most(5000):
        assert (memory.available_bytes(), memory.data_bytes()) == (1000, 800)
    assert (memory.available_bytes() or 0) > 5000


@pytest.mark.parametrize(
    ("text", "n"), [("800MB", 800_000_000), ("1.5 GB", 1_500_000_000), ("2gib", 2**31), ("4096", 4096), ("1k", 1000)]
)
def test_sizes_that_people_write(text: str, n: int) -> None:
    assert memory.parse_bytes(text) == n


@pytest.mark.parametrize("text", ["", "much", "-1GB", "0", "1e9", "99999999TB", "1 G B"])
def test_what_is_no_size_of_memory(text: str) -> None:
    with pytest.raises(UsageError, match="is not an amount of memory") as caught:
        memory.parse_bytes(text)
    assert "--memory 800MB" in str(caught.value.fix)
