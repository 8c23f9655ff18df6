from __future__ import annotations

import errno
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faulty import every_failure, failing_disk, full_after
from isthmus import __version__
from isthmus.errors import ModelFileError, ResourceError
from isthmus.system import files
from isthmus.system.naming import FORBIDDEN

ERRORS = [errno.ENOSPC, errno.EIO, errno.EACCES]
NAMES = [
    "with spaces.txt",
    "quote'\".txt",
    "new\nline.txt",
    "日本語 ñ.txt",
    "-rf.txt",
    "é" * 120 + ".txt",
    "$HOME;ls.txt",
    "a.b.c.txt",
]


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("before", [None, "old"])
def test_fault_52_a_failing_disk_leaves_the_old_file_or_the_new_one(
    before: str | None, number: int, tmp_path: Path
) -> None:
    path = tmp_path / "runs" / "a.txt"
    if before is not None:
        files.write_text(path, before)
    outcomes = []
    for told in every_failure(lambda: files.write_text(path, "new"), number, ResourceError):
        found = path.read_text() if path.exists() else None
        assert found == (before if told else "new"), f"call {len(outcomes) + 1}"
        assert [p.name for p in path.parent.iterdir()] == ["a.txt"] * path.exists() if path.parent.exists() else True
        outcomes.append(told)
        if not told and before is not None:
            path.write_text(before)
        elif not told:
            path.unlink()
    assert outcomes.count(True) >= 4  # temporary file, writing, flushing, renaming
    assert not outcomes[-1]


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
def test_fault_52_a_failing_disk_leaves_the_old_folder_or_the_new_one(number: int, tmp_path: Path) -> None:
    folder = tmp_path / "model"

    def save(text: str) -> None:
        files.write_folder(folder, {"a.txt": lambda p: p.write_text(text), "b.txt": lambda p: p.write_text(text * 2)})

    save("old")
    outcomes = []
    for told in every_failure(lambda: save("new"), number, ResourceError):
        files.verify_folder(folder)
        text = "old" if told else "new"
        assert ((folder / "a.txt").read_text(), (folder / "b.txt").read_text()) == (text, text * 2)
        outcomes.append(told)
        if not told:
            save("old")
    assert outcomes.count(True) >= 8
    assert not outcomes[-1]


def test_fault_52_the_error_names_the_file_and_the_room_that_is_left(tmp_path: Path) -> None:
    with (
        failing_disk(2, errno.ENOSPC),
        pytest.raises(ResourceError, match=r"a.txt cannot be written: No space") as caught,
    ):
        files.write_text(tmp_path / "a.txt", "new")
    assert "MB are free" in str(caught.value.fix)
    assert caught.value.exit_code == 5


def test_a_disk_that_fills_up_while_writing_keeps_the_old_file(tmp_path: Path) -> None:
    path = files.write_text(tmp_path / "a.npy", "old")
    with full_after(1_000), pytest.raises(ResourceError, match=r"a.npy cannot be written: .* written") as caught:
        files.write_atomic(path, lambda part: np.save(part, np.zeros(10_000)))
    assert "free disk space" in str(caught.value.fix)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.npy"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_fault_53_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ResourceError, match="cannot be written: Permission denied") as caught:
        files.write_text(tmp_path / "a.txt", "new")
    tmp_path.chmod(0o700)
    assert caught.value.fix == "give yourself permission to write there, or choose another folder"


def test_a_file_or_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "a.txt", tmp_path / "file" / "b.txt"):
        with pytest.raises(ResourceError, match=re.escape(f"{path} cannot be written: ")) as caught:
            files.write_text(path, "new")
        assert caught.value.fix == "choose another path, because a file or folder is in the way"
    assert (tmp_path / "file").read_text() == "mine"


def test_fault_53_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    for write in (
        lambda: files.write_text(tmp_path / "runs" / "a.txt", ""),
        lambda: files.write_folder(tmp_path / "runs" / "m", {}),
    ):
        with pytest.raises(ResourceError, match=r"cannot be written: (Not a directory|File exists)"):
            write()


def test_any_other_error_of_a_writer_comes_through_and_leaves_nothing_behind(tmp_path: Path) -> None:
    def write(part: Path) -> None:
        part.write_text("half")
        raise ValueError("our own mistake")

    for save in (
        lambda: files.write_atomic(tmp_path / "a", write),
        lambda: files.write_folder(tmp_path / "m", {"a": write}),
    ):
        with pytest.raises(ValueError, match="our own mistake"):
            save()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", [name for name in NAMES if not FORBIDDEN.search(name)])
def test_fault_66_files_and_folders_with_hostile_names(name: str, tmp_path: Path) -> None:
    files.write_text(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text"
    folder = files.write_folder(tmp_path / f"x{name}"[:-1], {"a.txt": lambda p: p.write_text("text")})
    assert list(files.verify_folder(folder)["files"]) == ["a.txt"]


def test_fault_66_a_name_that_is_too_long_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="cannot be written: File name too long"):
        files.write_text(tmp_path / ("x" * 300), "text")


def test_fault_65_a_file_can_be_replaced_by_what_was_read_from_it(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.arange(50_000))
    mapped = np.load(path, mmap_mode="r")
    files.write_atomic(path, lambda part: np.save(part, mapped + 1))
    assert np.array_equal(np.load(path), np.arange(1, 50_001))
    assert np.array_equal(mapped, np.arange(50_000))  # the old content, still mapped


def test_rights_are_those_of_the_umask_not_of_temporary_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        path = files.write_text(tmp_path / "a.txt", "")
        folder = files.write_folder(tmp_path / "m", {"a.txt": lambda p: p.write_text("")})
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (path, folder, folder / "a.txt")]
    assert modes == [0o640, 0o750, 0o640]


def test_the_disk_holds_all_of_a_file_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power failure, the old or the new file exists, never an empty one with that name."""
    target, calls, replace = tmp_path / "model.bin", [], os.replace

    def synced(descriptor: int) -> None:
        found = os.fstat(descriptor)
        calls.append(("sync", found.st_ino, found.st_size))

    def renamed(*args: Any, **kwargs: Any) -> None:
        calls.append(("rename",))
        replace(*args, **kwargs)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    files.write_text(target, "x" * 100_000)
    assert calls == [("sync", target.stat().st_ino, 100_000), ("rename",)]


def test_a_writer_sees_the_suffix_of_the_file(tmp_path: Path) -> None:
    seen = []
    files.write_atomic(tmp_path / "a.tar.png", lambda part: seen.append(part.suffix))
    assert seen == [".png"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), None),
        ({"a": [1.0, float("inf")], 3: (float("-inf"),)}, {"a": [1.0, None], "3": [None]}),
        ("ü", "ü"),
        (1e308, 1e308),
    ],
)
def test_json_holds_null_for_what_is_undefined_or_infinite(value: Any, text: Any, tmp_path: Path) -> None:
    path = files.write_json(tmp_path / "a.json", value)
    assert json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail) == text


def whole(tmp_path: Path) -> Path:
    return files.write_folder(
        tmp_path / "m", {"a.bin": lambda p: p.write_bytes(b"12345"), "b.bin": lambda p: p.write_bytes(b"x")}
    )


def test_the_manifest_states_size_and_hash_of_every_file(tmp_path: Path) -> None:
    manifest = files.verify_folder(whole(tmp_path))
    assert (manifest["format"], manifest["isthmus"]) == (1, __version__)
    sha256 = "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5"  # printf 12345 | sha256sum
    assert manifest["files"]["a.bin"] == {"bytes": 5, "sha256": sha256}


def test_fault_60_every_single_flipped_bit_is_found(tmp_path: Path) -> None:
    folder = whole(tmp_path)
    for bit in range(40):
        content = bytearray(b"12345")
        content[bit // 8] ^= 1 << bit % 8
        (folder / "a.bin").write_bytes(content)
        with pytest.raises(ModelFileError, match=r"a.bin is damaged: its 5 bytes do not match MANIFEST.json"):
            files.verify_folder(folder)


def test_fault_60_swapped_files_are_found(tmp_path: Path) -> None:
    folder = whole(tmp_path)
    (folder / "a.bin").rename(folder / "c")
    (folder / "b.bin").rename(folder / "a.bin")
    (folder / "c").rename(folder / "b.bin")
    with pytest.raises(ModelFileError, match=r"a.bin is damaged"):
        files.verify_folder(folder)


@pytest.mark.parametrize("name", ["a.bin", "b.bin", "MANIFEST.json"])
def test_fault_61_a_cut_or_missing_file_is_named(name: str, tmp_path: Path) -> None:
    folder = whole(tmp_path)
    (folder / name).write_bytes((folder / name).read_bytes()[:-2])
    with pytest.raises(ModelFileError, match=rf"{name} (is damaged: its \d bytes|cannot be read)") as caught:
        files.verify_folder(folder)
    assert caught.value.exit_code == 4
    (folder / name).unlink()
    with pytest.raises(ModelFileError, match=rf"{name}'? is missing"):
        files.verify_folder(folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        '{"format": "x", "files": {}}',
        '{"files": {}}',
        '{"format": 1}',
        '{"format": 1, "files": 3}',
        "\xff",
    ],
)
def test_a_manifest_that_is_none_is_an_error_in_words(text: str, tmp_path: Path) -> None:
    folder = whole(tmp_path)
    (folder / "MANIFEST.json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelFileError, match=r"MANIFEST.json cannot be read"):
        files.verify_folder(folder)


def test_a_manifest_cannot_name_files_outside_of_its_folder(tmp_path: Path) -> None:
    folder = whole(tmp_path)
    (tmp_path / "secret").write_text("x")
    for name in ("../secret", str(tmp_path / "secret"), "sub/../../secret"):
        text = json.dumps({"format": 1, "files": {name: {"bytes": 1, "sha256": ""}}})
        (folder / "MANIFEST.json").write_text(text)
        with pytest.raises(ModelFileError, match="is missing"):
            files.verify_folder(folder)


def test_fault_63_a_newer_format_says_which_versions_meet(tmp_path: Path) -> None:
    folder = whole(tmp_path)
    (folder / "MANIFEST.json").write_text('{"format": 7, "isthmus": "3.1", "files": {}, "new": 1}')
    told = rf"written by a newer version of isthmus \(3.1\), in format 7; version {__version__} reads up to 1"
    with pytest.raises(ModelFileError, match=told) as caught:
        files.verify_folder(folder)
    assert "newer" in str(caught.value.fix)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_that_the_manifest_does_not_state_is_not_trusted(tmp_path: Path, name: str) -> None:
    folder = whole(tmp_path)
    (folder / name).write_bytes(b"{}")
    manifest = json.loads((folder / files.MANIFEST).read_text())
    manifest["files"].pop(name, None)
    (folder / files.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ModelFileError, match=f"does not list '{name}'"):
        files.verify_folder(folder)


@pytest.mark.parametrize("name", ["MANIFEST.json", "a.bin"])
def test_fault_53_what_may_not_be_read_is_not_called_lost(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = whole(tmp_path)
    ask = os.open

    def refused(path: Any, *rest: Any, **more: Any) -> int:
        if Path(path).name == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return ask(path, *rest, **more)

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(ModelFileError, match=rf"{name} cannot be read: Permission denied") as caught:
        files.verify_folder(folder)
    assert caught.value.fix == "give yourself permission to read it"
