"""What a file is, by content first."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isthmus.data.kinds import kind_of_file, suffix_note
from isthmus.errors import DataError


def make(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


IDX = b"\0\0\x08\x03\0\0\0\1\0\0\0\1\0\0\0\1x"


def content(kind: str, folder: Path) -> bytes:
    path = folder / "made"
    if kind == "npy":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif kind == "npz":
        with path.open("wb") as file:
            np.savez(file, x=np.zeros(3))
    elif kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"):
        Image.new("L", (3, 3)).save(path, kind)
    else:
        path.write_bytes({"idx": IDX, "table": b"a,b\n1,2\n", "parquet": b"PAR1xxxxPAR1"}[kind])
    return path.read_bytes()


@pytest.mark.parametrize("name", ["x", "x.csv", "x.png", "x.npz"])
@pytest.mark.parametrize("made", ["idx", "npy", "npz", "parquet", "PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_content_decides(tmp_path: Path, name: str, made: str) -> None:
    path = make(tmp_path, name, content(made, tmp_path))
    kind = made if made.islower() else "image"
    assert kind_of_file(path) == kind
    suffix = {"x.csv": "table", "x.png": "image", "x.npz": "npz"}.get(name, kind)
    assert bool(suffix_note(path, kind)) == (suffix != kind)


def test_fault_08_packed_files_are_looked_into(tmp_path: Path) -> None:
    assert kind_of_file(make(tmp_path, "a", gzip.compress(IDX))) == "idx"
    assert kind_of_file(make(tmp_path, "b.csv.gz", gzip.compress(b"a,b\n1,2\n"))) == "table"


def test_fault_29_text_under_another_suffix_goes_to_the_reader_that_explains_it(tmp_path: Path) -> None:
    for name, kind in (
        ("a.npz", "npz"),
        ("a.npy", "npy"),
        ("a.parquet", "parquet"),
        ("a.jpg", "image"),
        ("a.idx", "idx"),
    ):
        assert kind_of_file(make(tmp_path, name, b"some words\n")) == kind
    assert kind_of_file(make(tmp_path, "t10k-images-idx3-ubyte", b"\0\0\7\7")) == "idx"


def test_text_without_a_suffix_is_a_table(tmp_path: Path) -> None:
    assert kind_of_file(make(tmp_path, "numbers", b"1,2\n3,4\n")) == "table"


@pytest.mark.parametrize("name", ["m.pkl", "m.pt", "m.ckpt", "m.joblib", "innocent.npy"])
def test_fault_62_a_pickle_is_never_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="is a pickle, which can run code"):
        kind_of_file(make(tmp_path, name, b"\x80\x04\x95\0\0\0\0\0\0\0\0."))


def test_fault_62_a_torch_archive_is_a_pickle(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as packed:
        packed.writestr("archive/data.pkl", b"")
    with pytest.raises(DataError, match="is a pickle"):
        kind_of_file(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("name", "start", "fix"),
    [
        ("a.xlsx", b"\xd0\xcf\x11\xe0....", "export the sheet as CSV"),
        ("a.h5", b"\x89HDF....", "numpy.save"),
        ("a.json", b'{"a": 1}', "CSV or Parquet"),
        ("a.7z", b"7z\xbc\xaf....", "unpack it"),
        ("a.bin", b"\1\2\3\4\0\0", "convert it; isthmus reads images"),
        ("a.htm", b"<!DOCTYPE html><html>", "convert it; isthmus reads images"),
    ],
)
def test_what_is_not_read_says_what_to_do(tmp_path: Path, name: str, start: bytes, fix: str) -> None:
    with pytest.raises(DataError, match="not read") as caught:
        kind_of_file(make(tmp_path, name, start))
    assert fix in (caught.value.fix or "")


def test_a_zip_of_images_is_to_be_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        packed.writestr("1.png", b"")
    with pytest.raises(DataError, match="zip archive") as caught:
        kind_of_file(tmp_path / "x.zip")
    assert caught.value.fix == "unpack it and name the folder or the file in it"


def test_devices_are_not_read() -> None:
    with pytest.raises(DataError, match="neither a file nor a folder"):
        kind_of_file(Path("/dev/null"))
