from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.errors import FolderInUseError, ModelFileError, ResourceError
from isthmus.system import lock
from isthmus.system.lock import FolderLock, is_held

HOLDER = """
import sys
from pathlib import Path
from isthmus.system.lock import FolderLock

with FolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until its standard input is closed."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdin=-1, stdout=-1, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.communicate()


def test_fault_56_a_second_run_is_refused_and_told_who_is_there(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    with pytest.raises(
        FolderInUseError, match=rf"is in use by another run \(process {holder.pid}, since 20\d\d-"
    ) as caught:
        FolderLock(tmp_path).__enter__()
    assert caught.value.exit_code == 7
    end(holder)
    with FolderLock(tmp_path):
        found = json.loads((tmp_path / ".lock").read_text())
    assert (found["pid"], found["host"]) == (os.getpid(), socket.gethostname())


def test_fault_57_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    holder = hold(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert json.loads((tmp_path / ".lock").read_text())["pid"] == holder.pid  # what it wrote is still there
    with FolderLock(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
    end(holder)


def test_fault_57_a_lock_of_another_host_says_so(tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        (tmp_path / ".lock").write_text(json.dumps({"pid": 7, "host": "node-12", "since": "2026-01-01"}))
        with pytest.raises(FolderInUseError, match=r"\(process 7 on node-12, since 2026-01-01\)"):
            FolderLock(tmp_path).__enter__()


def test_looking_sees_a_run_that_is_there_and_none_that_was_killed(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    holder = hold(tmp_path)
    assert is_held(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert not is_held(tmp_path)
    end(holder)


def test_fault_57_who_looks_takes_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(file: int) -> None:
        raise AssertionError("looking took the lock")

    with FolderLock(tmp_path):
        holder = (tmp_path / ".lock").read_text()
        monkeypatch.setattr(lock, "_look", taken)
        assert is_held(tmp_path)
    (tmp_path / ".lock").write_text(holder)  # as a killed process leaves it
    assert not is_held(tmp_path)


def test_who_looks_at_an_older_lock_is_no_run_and_keeps_none_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".lock").write_text("{}")
    looking = (tmp_path / ".lock").open()
    fcntl.flock(looking, fcntl.LOCK_SH)  # another process, in the middle of its look
    assert not is_held(tmp_path)
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: looking.close())
    with FolderLock(tmp_path):
        assert looking.closed
        assert is_held(tmp_path)


def test_a_lock_of_an_older_isthmus_is_seen(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text('{"pid": 1}')
    with (tmp_path / ".lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert is_held(tmp_path)
    assert not is_held(tmp_path)


@pytest.mark.parametrize("target", ["notes.txt", "none"])
def test_fault_96_a_link_in_the_place_of_the_lock_is_refused(target: str, tmp_path: Path) -> None:
    run, notes = tmp_path / "run", tmp_path / "notes.txt"
    notes.write_text("mine")
    run.mkdir()
    (run / ".lock").symlink_to(tmp_path / target)
    assert not is_held(run)
    with pytest.raises(ModelFileError, match=r"\.lock is a link"):
        FolderLock(run).__enter__()
    assert notes.read_text() == "mine"
    assert not (tmp_path / "none").exists()


def test_fault_96_a_pipe_in_the_place_of_the_lock_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".lock")
    assert not is_held(tmp_path)
    with pytest.raises(ResourceError, match=r"\.lock cannot be written: Not a regular file"):
        FolderLock(tmp_path).__enter__()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_fault_52_a_disk_that_fails_keeps_the_lock_and_ends_quietly(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(lock.os, "ftruncate", refuse)
        patch.setattr(lock.os, "write", refuse)
        with FolderLock(tmp_path), pytest.raises(FolderInUseError):
            FolderLock(tmp_path).__enter__()
    with FolderLock(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("text", ["", "nonsense", "{}", "[1]"])
def test_a_lock_file_that_says_nothing_still_locks(text: str, tmp_path: Path) -> None:
    with FolderLock(tmp_path):
        (tmp_path / ".lock").write_text(text)
        with pytest.raises(FolderInUseError, match=re.escape(f"{tmp_path} is in use by another run.")):
            FolderLock(tmp_path).__enter__()


def test_a_lock_is_free_again_after_an_error_inside(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="inside"), FolderLock(tmp_path):
        raise RuntimeError("inside")
    with FolderLock(tmp_path):
        assert (tmp_path / ".lock").read_text()
    assert (tmp_path / ".lock").read_text() == ""


def test_a_disk_without_locks_is_warned_about_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock, "_lock", refuse)
    with pytest.warns(UserWarning, match=r"cannot be locked \(No locks available\)"), FolderLock(tmp_path):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()


def test_the_folder_is_made_or_the_reason_told(tmp_path: Path) -> None:
    with FolderLock(tmp_path / "new" / "run"):
        assert (tmp_path / "new" / "run").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="cannot be written"):
        FolderLock(tmp_path / "file" / "run").__enter__()
