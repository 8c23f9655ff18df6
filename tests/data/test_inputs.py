"""Opening files: gzip by content, errors that name the file, bounded unpacking."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest

from isthmus.data.inputs import InputFile, kind_of, missing, stem, wrong_content
from isthmus.errors import DataError, ResourceError


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def read_all(path: Path) -> bytes:
    with InputFile(path) as file:
        return file.read(-1)


def test_plain_and_packed_files_give_the_same_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 100
    plain, packed = written(tmp_path / "a.bin", content), written(tmp_path / "b.gz", gzip.compress(content))
    assert read_all(plain) == read_all(packed) == content


def test_fault_06_cut_gzip_names_file_and_bytes_read(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(100_000)
    path = written(tmp_path / "images.gz", gzip.compress(content)[:-5000])
    with (
        InputFile(path) as file,
        pytest.raises(DataError, match=r"images\.gz: it ends after [\d,]+ unpacked bytes") as e,
    ):
        file.fill(np.empty(100_000, np.uint8))
    assert "re-download" in str(e.value)
    assert e.value.exit_code == 3


def test_fault_07_wrong_checksum_is_damage(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"numbers" * 1000))
    packed[-8] ^= 1  # the CRC stands in the last eight bytes
    with pytest.raises(DataError, match=r"images\.gz: the content is damaged after [\d,]+ unpacked bytes \(CRC"):
        read_all(written(tmp_path / "images.gz", bytes(packed)))


def test_fault_08_gzip_is_known_by_content(tmp_path: Path) -> None:
    hidden = written(tmp_path / "a.bin", gzip.compress(b"data"))
    false = written(tmp_path / "b.gz", b"data")
    with InputFile(hidden) as one, InputFile(false) as two:
        assert one.read(-1) == two.read(-1) == b"data"
        assert one.notes == ("a.bin holds gzip data without the suffix .gz; the content decides how it is read.",)
        assert two.notes == ("b.gz is named .gz but is not compressed; the content decides how it is read.",)


def test_fault_09_no_more_is_unpacked_than_asked(tmp_path: Path) -> None:
    path = written(tmp_path / "bomb.gz", gzip.compress(bytes(50_000_000)))
    with InputFile(path) as file:
        assert len(file.read(1000)) == 1000
        assert file.position == 1000
        assert 50_000_000 <= file.most_bytes < 60_000_000  # DEFLATE's limit is about 1032:1, reached by zeros


def test_ratio_of_deflate_is_the_limit_used() -> None:
    n = 10_000_000
    assert n / len(zlib.compress(bytes(n), 9)) < 1032


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\x1f\x8b\x08", "gzip"),
        (b"PK\x03\x04", "zip archive"),
        (b"PAR1", "Parquet"),
        (b"\x93NUMPY\x01", "NumPy"),
        (b"\x89PNG\r\n", "PNG"),
        (b"<!DOCTYPE html>", "HTML"),
        (b"a,b\n1,2\n", "text"),
        (b"\x00\x01\x02", "unknown"),
    ],
)
def test_kind_of_file(head: bytes, words: str) -> None:
    assert words in kind_of(head)


def test_fault_29_wrong_content_under_a_known_suffix() -> None:
    error = wrong_content(Path("x/data.npz"), b"hello, world", "an .npz archive")
    assert error.message == (
        "data.npz is named .npz but starts with b'hello, world' and looks like text, not like an .npz archive."
    )
    assert "download" in str(wrong_content(Path("a.csv"), b"<html><body>404", "a table").fix)


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    written(tmp_path / "train.csv", b"a")
    with pytest.raises(DataError, match=r"there is no file .*trian\.csv") as e:
        InputFile(tmp_path / "trian.csv")
    assert str(e.value.fix) == f"did you mean {tmp_path / 'train.csv'}?"
    assert missing(tmp_path / "nowhere" / "x").fix == "check the path"
    written(tmp_path / "wine.csv", b"a")
    assert missing(tmp_path / "nofile.csv").fix == "check the path"  # alike in nothing but the suffix
    assert missing(tmp_path / "wines.csv").fix == f"did you mean {tmp_path / 'wine.csv'}?"


def test_folder_empty_file_and_nul_in_the_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder; a file is needed"):
        InputFile(tmp_path)
    with pytest.raises(DataError, match=r"empty\.csv is empty \(0 bytes\)"):
        InputFile(written(tmp_path / "empty.csv", b""))
    with pytest.raises(ResourceError, match="cannot be read: embedded null"):
        InputFile(tmp_path / "a\0b")


def test_failing_disk_is_a_resource_error(tmp_path: Path) -> None:
    class Broken:
        def read(self, n: int) -> bytes:
            raise OSError(5, "Input/output error")

    with InputFile(written(tmp_path / "a", b"abc")) as file:
        file.stream = Broken()
        with pytest.raises(ResourceError, match="a cannot be read: Input/output error") as e:
            file.read(1)
    assert e.value.exit_code == 5


def test_stem_leaves_out_packing_and_format_only() -> None:
    names = {
        "a/train.csv.gz": "train",
        "x.npy": "x",
        "train-images.idx3-ubyte": "train-images.idx3-ubyte",
        "v1.2": "v1.2",
    }
    assert {name: stem(Path(name)) for name in names} == names
