"""No writer follows a link in a run folder, and a run folder that is gone is not created again."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from isthmus.errors import FolderGoneError, ModelFileError
from isthmus.system import files, places
from isthmus.system.lock import FolderLock
from isthmus.system.places import guard, is_gone, refuse_links


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder that is a run by its record, next to a folder of documents."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("mine")
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def write_file(path: Path) -> Path:
    return files.write_text(path, "new")


def write_parts(path: Path) -> Path:
    return files.write_folder(path, {"part.txt": lambda part: part.write_text("new")})


@pytest.mark.parametrize("write", [write_file, write_parts])
@pytest.mark.parametrize("target", ["docs", "docs/a.txt", "docs/none"])
@pytest.mark.parametrize("place", ["x", "latent", "latent/features"])
def test_fault_96_no_writer_goes_through_a_link_of_a_run(
    place: str, target: str, write: Callable[[Path], Path], run: Path, tmp_path: Path
) -> None:
    link = run / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / target)
    for path in (link, link / "deeper"):
        with pytest.raises(ModelFileError, match=re.escape(f"{link} is a link (to {tmp_path / target})")) as caught:
            write(path)
        assert caught.value.exit_code == 4
    assert contents(tmp_path / "docs") == {"a.txt": "mine"}
    assert link.is_symlink()


def test_a_link_to_a_run_and_links_elsewhere_are_the_users_own(run: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(run)
    write_file(tmp_path / "latest" / "a.txt")
    (tmp_path / "home").symlink_to(tmp_path / "docs")
    write_file(tmp_path / "home" / "b.txt")
    assert (run / "a.txt").read_text() == "new"
    assert contents(tmp_path / "docs") == {"a.txt": "mine", "b.txt": "new"}


def test_fault_96_links_are_found_where_a_training_writes(run: Path, tmp_path: Path) -> None:
    (run / "notes").symlink_to(tmp_path / "docs")  # no process writes there
    (run / "mine").mkdir()
    (run / "mine" / "a.txt").symlink_to(tmp_path / "docs" / "a.txt")
    refuse_links(run)
    for place in ("checkpoint", "model/model.safetensors", ".old-x", "curves.png", "config.toml"):
        link = run / place
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(tmp_path / "docs")
        with pytest.raises(ModelFileError, match=re.escape(f"{link} is a link")):
            refuse_links(run)
        link.unlink()


def vanish(run: Path) -> None:
    shutil.rmtree(run)


def move(run: Path) -> None:
    run.rename(run.with_name("moved"))


def replace_by_a_folder(run: Path) -> None:
    move(run)
    run.mkdir()


def replace_by_a_run(run: Path) -> None:
    replace_by_a_folder(run)
    for name in ("run.json", ".lock"):
        (run / name).write_text("{}")


def replace_by_a_file(run: Path) -> None:
    shutil.rmtree(run)
    run.write_text("")


@pytest.mark.parametrize("write", [write_file, write_parts])
@pytest.mark.parametrize("lose", [vanish, move, replace_by_a_folder, replace_by_a_run, replace_by_a_file])
def test_fault_98_a_locked_folder_that_is_gone_is_not_made_anew(
    lose: Callable[[Path], None], write: Callable[[Path], Path], run: Path
) -> None:
    with FolderLock(run):
        write(run / "new" / "a")
        lose(run)
        before = sorted(run.parent.rglob("*"))
        with pytest.raises(FolderGoneError, match=re.escape(f"{run} no longer exists")) as caught:
            write(run / "new" / "b")
        assert caught.value.exit_code == 5
        assert sorted(run.parent.rglob("*")) == before


def test_fault_98_nor_is_one_that_is_named_as_the_run(run: Path) -> None:
    files.write_text(run / "latent" / "a.txt", "new", within=run)
    shutil.rmtree(run.parent)
    with pytest.raises(FolderGoneError):
        files.write_text(run / "latent" / "a.txt", "new", within=run)
    assert not run.parent.exists()


def test_a_folder_that_goes_while_a_file_is_written_is_told_as_gone(run: Path) -> None:
    with FolderLock(run), pytest.raises(FolderGoneError):
        files.write_atomic(run / "a.txt", lambda part: vanish(run))


def test_a_lock_file_that_was_taken_away_is_no_folder_that_is_gone(run: Path) -> None:
    with FolderLock(run):
        (run / ".lock").unlink()
        assert not is_gone(run)
        (run / "run.json").unlink()
        assert is_gone(run)


def test_a_folder_that_may_not_be_looked_at_is_not_taken_for_gone(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "stat", refuse)
    assert not is_gone(run)


def test_the_folders_above_are_known_though_the_way_there_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    run = Path("runs") / "x"
    with FolderLock(run):
        shutil.rmtree(tmp_path / "a")
        assert places.nearest(run)[:3] == [tmp_path / "a" / "runs", tmp_path / "a", tmp_path]
        with pytest.raises(FolderGoneError):
            guard(run / "b")


def test_fault_119_a_link_that_comes_between_the_look_and_the_write_leads_nowhere(run: Path, tmp_path: Path) -> None:
    outside = tmp_path / "docs"

    def swapping(part: Path) -> None:
        (run / "latent").rename(run / "aside")
        (run / "latent").symlink_to(outside)
        part.write_text("new")

    (run / "latent").mkdir()
    files.write_atomic(run / "latent" / "b.txt", swapping, within=run)
    assert contents(outside) == {"a.txt": "mine"}
    assert contents(run / "aside") == {"b.txt": "new"}  # in the checked folder, wherever it is now
    (run / "latent").unlink()
    (run / "aside").rename(run / "latent")
    files.write_folder(run / "latent" / "codes", {"codes.txt": swapping}, within=run)
    assert contents(outside) == {"a.txt": "mine"}
    assert (run / "aside" / "codes" / "codes.txt").read_text() == "new"
    assert sorted(path.name for path in (run / "aside").iterdir()) == ["b.txt", "codes"]  # and no `.part-…`


@pytest.mark.parametrize("write", [write_file, write_parts])
def test_fault_119_a_link_that_comes_right_after_the_look_is_named(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], Path]
) -> None:
    (run / "latent").mkdir()
    looked = []

    def swapped(path: Path, within: Path | None = None) -> Path | None:
        found = guard(path, within)
        if not looked:
            looked.append(path)
            (run / "latent").rename(run / "aside")
            (run / "latent").symlink_to(tmp_path / "docs")
        return found

    monkeypatch.setattr(files, "guard", swapped)
    monkeypatch.setitem(places.HELD, run, places.Held(run, _numbers(run)))
    with pytest.raises(ModelFileError, match="latent is a link"):
        write(run / "latent" / "b.txt")
    assert contents(tmp_path / "docs") == {"a.txt": "mine"}


def _numbers(run: Path) -> tuple[int, int]:
    about = os.stat((run / places.LOCK).parent / "run.json")
    (run / places.LOCK).hardlink_to(run / "run.json")
    return about.st_dev, about.st_ino


def test_a_run_that_is_reached_through_a_link_is_written_all_the_same(run: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(run)
    files.write_text(tmp_path / "link" / "latent" / "b.txt", "new", within=tmp_path / "link")
    assert contents(run / "latent") == {"b.txt": "new"}
