"""Members of archives: only those asked for, only where we say."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from isthmus.data.named import unpack
from isthmus.errors import DataError


def archive(folder: Path, **members: bytes) -> Path:
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name.replace("__", "/"), content)
        packed.writestr("../../escape.txt", b"out")
    return path


def test_only_the_members_asked_for(tmp_path: Path) -> None:
    path = archive(tmp_path, gzip__one=b"1" * 5000, gzip__two=b"2")
    unpack.extract(path, {"gzip/one": tmp_path / "out" / "one"})
    assert (tmp_path / "out" / "one").read_bytes() == b"1" * 5000
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["one"]
    assert not (tmp_path.parent / "escape.txt").exists()


def test_fault_80_a_hostile_name_goes_where_we_say(tmp_path: Path) -> None:
    unpack.extract(archive(tmp_path), {"../../escape.txt": tmp_path / "kept"})
    assert (tmp_path / "kept").read_bytes() == b"out"


def test_missing_member(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.zip has no member gzip/three"):
        unpack.extract(archive(tmp_path), {"gzip/three": tmp_path / "x"})


def test_fault_09_a_bomb_is_refused_by_its_declared_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MOST_UNPACKED", 1000)
    with pytest.raises(DataError, match=r"one claims to unpack to 5\.0 kB"):
        unpack.extract(archive(tmp_path, one=b"1" * 5000), {"one": tmp_path / "x"})
    assert not (tmp_path / "x").exists()


def test_damaged_archives(tmp_path: Path) -> None:
    path = archive(tmp_path, one=bytes(range(256)) * 40)
    raw = bytearray(path.read_bytes())
    raw[60] ^= 0xFF  # within the packed bytes of the first member
    (tmp_path / "flipped.zip").write_bytes(raw)
    (tmp_path / "cut.zip").write_bytes(path.read_bytes()[:100])
    for name in ("flipped.zip", "cut.zip"):
        with pytest.raises(DataError, match=f"{name} is damaged"):
            unpack.extract(tmp_path / name, {"one": tmp_path / "x"})
        assert not (tmp_path / "x").exists()
