"""Space for arrays beyond memory: an unnamed file, refused before a full disk could kill the process."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from isthmus.errors import ResourceError
from isthmus.system import scratch
from isthmus.system.memory import at_most


def test_what_fits_is_in_memory_and_the_rest_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(scratch.tempfile, "tempdir", None)
    with at_most(1000):
        small, large = scratch.room((10, 10), "uint8", "x"), scratch.room((10, 50), "float32", "x")
    large[:] = np.arange(500).reshape(10, 50)
    assert (scratch.is_mapped(small), scratch.is_mapped(large), scratch.is_mapped(large.T[3:])) == (False, True, True)
    assert not scratch.is_mapped(large + 1)
    assert not scratch.is_mapped(large[[3, 1]])
    np.testing.assert_array_equal(large, np.arange(500).reshape(10, 50))
    assert list(tmp_path.iterdir()) == []  # nothing is left behind by a process that is killed


def test_fault_150_a_temporary_folder_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    with at_most(1000):
        with pytest.raises(ResourceError, match=r"x needs 4\.0 EB|x needs 4,.* TB, but only 800 bytes") as caught:
            scratch.room((1 << 60,), "float32", "x")
        monkeypatch.setattr(scratch, "kind_of_disk", lambda folder: "tmpfs")
        with pytest.raises(ResourceError, match=r"x needs 4\.0 kB, .* which is in memory") as memory:
            scratch.room((1000,), "float32", "x")
    for error in (caught.value, memory.value):
        assert (error.exit_code, error.code) == (5, "RESOURCE-SCRATCH")
        assert "set TMPDIR to a folder on a disk" in str(error.fix)


def test_fault_150_a_disk_that_fills_up_is_told_before_a_page_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, start: int, length: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(scratch.os, "posix_fallocate", full, raising=False)
    with at_most(1000), pytest.raises(ResourceError, match=r"does not have enough space \(No space left on device\)"):
        scratch.room((1000,), "float32", "x")


def test_the_file_system_of_a_folder(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text("1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:2 / /tmp rw shared:1 - tmpfs tmpfs rw\n")
    assert scratch.kind_of_disk(Path("/tmp/a/b"), mounts) == "tmpfs"
    assert scratch.kind_of_disk(Path("/home"), mounts) == "ext4"
    assert scratch.kind_of_disk(Path("/home"), tmp_path / "none") == ""
