"""A process that dies at any call, and a reader at any time: the old or the new folder exists."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from faulty import CALLS
from isthmus.errors import ModelFileError
from isthmus.system import files, swapping
from isthmus.system.swapping import clean_up, standing


@pytest.fixture(params=["exchanged", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How folders are swapped: in one step, and as on systems that cannot do this."""
    if request.param == "two renames":
        monkeypatch.setattr(swapping, "_exchange", lambda part, folder: False)
    return request.param


def save(folder: Path, text: str) -> None:
    files.write_folder(folder, {"a.txt": lambda p: p.write_text(text), "b.txt": lambda p: p.write_text(text * 2)})


def content(folder: Path) -> str:
    """The contents of the folder, after checking its two files against the manifest and each other."""
    files.verify_folder(folder)
    a, b = (folder / "a.txt").read_text(), (folder / "b.txt").read_text()
    if b != 2 * a:
        raise ModelFileError("MODEL-FILE", f"{a!r} and {b!r} are of two folders.")
    return a


def forked(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    finally:
        os._exit(0)


def dying_at(n: int, work: Callable[[], None]) -> None:
    """Does the work in this process, which dies at its n-th system call."""
    left = [n]

    def guarding(call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                os._exit(9)
            return call(*args, **kwargs)

        return guarded

    for module, name in (*CALLS, (os, "rmdir"), (os, "unlink"), (swapping, "_exchange")):
        setattr(module, name, guarding(getattr(module, name)))
    work()


def test_fault_51_a_death_at_any_call_leaves_the_old_folder_or_the_new_one(way: str, tmp_path: Path) -> None:
    run, found = tmp_path / "run", []
    for n in range(1, 200):
        save(run / "model", "old")
        pid = forked(lambda n=n: dying_at(n, lambda: save(run / "model", "new")))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        found.append(files.steadily(run / "model", content))
        clean_up(run)
        assert content(run / "model") == found[-1], f"call {n}"
        assert [path.name for path in run.iterdir()] == ["model"], f"call {n}"
        if code == 0:
            break
    assert found == sorted(found, reverse=True)  # first the old one, after some call the new one
    assert (found[0], found[-1]) == ("old", "new")
    assert len(found) >= 10


def test_fault_51_a_reader_meets_the_old_folder_or_the_new_one_at_every_instant(way: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save(folder, "0")

    def replace_again_and_again() -> None:
        for number in range(1, 100_000):
            save(folder, str(number))

    pid = forked(replace_again_and_again)
    try:
        seen, until = [], time.monotonic() + 2
        while time.monotonic() < until or len(set(seen)) < 10:
            seen.append(int(files.steadily(folder, content)))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert seen == sorted(seen)
    assert len(set(seen)) >= 10


def test_fault_51_a_folder_that_is_moved_aside_while_it_is_read_is_read_again_there(tmp_path: Path) -> None:
    folder, aside = tmp_path / "model", tmp_path / ".old-x" / "model"
    save(folder, "old")

    def moved(place: Path) -> str:
        if folder.exists():
            aside.parent.mkdir()
            folder.rename(aside)
        return content(place)

    assert files.steadily(folder, moved) == "old"


def test_a_folder_that_is_damaged_is_an_error_though_it_is_read_steadily(tmp_path: Path) -> None:
    save(tmp_path / "model", "old")
    (tmp_path / "model" / "a.txt").write_text("odl")
    with pytest.raises(ModelFileError, match=r"a\.txt is damaged"):
        files.steadily(tmp_path / "model", content)
    with pytest.raises(ModelFileError, match=r"MANIFEST\.json is missing"):
        files.steadily(tmp_path / "none", content)


def test_a_new_folder_needs_no_swap_and_a_failed_one_puts_the_old_back(way: str, tmp_path: Path) -> None:
    save(tmp_path / "a", "first")
    assert (standing(tmp_path / "a"), content(tmp_path / "a")) == (tmp_path / "a", "first")
    with pytest.raises(OSError, match="No such file"):
        swapping.swap(tmp_path / "missing", tmp_path / "a")
    assert content(tmp_path / "a") == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


WRITER = """
import sys
from pathlib import Path
from isthmus.system import files

def wait(part):
    part.write_text("half")
    print("writing", flush=True)
    sys.stdin.read()

folder = Path(sys.argv[1])
files.write_atomic(folder / "report.html", wait) if sys.argv[2] == "file" else files.write_folder(folder, {"a": wait})
"""


def test_fault_51_rests_of_killed_processes_go_at_once(tmp_path: Path) -> None:
    for name in (".part-x.html", "checkpoint/.part-y.txt", "latent/.part-z/a.npy", ".part-model/a.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("half")
    (tmp_path / "report.html").write_text("whole")
    clean_up(tmp_path)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["report.html"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_sweeping_spares_what_another_process_is_writing(kind: str, tmp_path: Path) -> None:
    place = tmp_path if kind == "file" else tmp_path / "latent" / "codes"
    command = [sys.executable, "-c", WRITER, str(place), kind]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        clean_up(tmp_path)
        writer.communicate("")
    assert writer.returncode == 0
    assert (tmp_path / ("report.html" if kind == "file" else "latent/codes/a")).read_text() == "half"


def test_where_files_have_no_locks_the_young_ones_are_spared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swapping, "fcntl", None)
    for name in (".part-old.html", ".part-new.html"):
        (tmp_path / name).write_text("half")
    os.utime(tmp_path / ".part-old.html", (0, time.time() - 2 * swapping.STALE))
    clean_up(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".part-new.html"]


@pytest.mark.parametrize("place", [".old-x", ".old-x/model", ".part-x", "checkpoint/.old-x", "latent/.part-x"])
def test_fault_96_sweeping_follows_no_link_and_names_it(place: str, tmp_path: Path) -> None:
    run, docs = tmp_path / "run", tmp_path / "docs"
    save(docs / "model", "mine")
    (run / place).parent.mkdir(parents=True)
    (run / place).symlink_to(docs)
    with pytest.raises(ModelFileError, match=re.escape(f"{run / place} is a link (to {docs})")):
        clean_up(run)
    assert content(docs / "model") == "mine"
    assert [path.name for path in run.iterdir()] == [Path(place).parts[0]]


def test_cleaning_up_brings_back_what_was_being_replaced(tmp_path: Path) -> None:
    save(tmp_path / "model", "old")
    (tmp_path / ".old-1").mkdir()
    (tmp_path / "model").rename(tmp_path / ".old-1" / "model")
    assert content(standing(tmp_path / "model")) == "old"
    clean_up(tmp_path)
    assert content(tmp_path / "model") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
