"""IDX files, made here with struct as the format's page describes them."""

import gzip
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.config import DataConfig
from isthmus.data.arrays import idx
from isthmus.data.arrays.idx import image_files, label_file, read_idx, read_idx_array, read_idx_folder
from isthmus.errors import DataError, ResourceError

OPTIONS = DataConfig()
IMAGES = np.random.default_rng(0).integers(0, 256, (10, 4, 5), dtype=np.uint8)
LABELS = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3], np.uint8)


def idx_bytes(array: np.ndarray, code: int = 8) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return written(tmp_path / "train-images-idx3-ubyte", idx_bytes(IMAGES))


def test_images_without_labels(images: Path) -> None:
    samples = read_idx(images, OPTIONS)
    np.testing.assert_array_equal(samples.x, IMAGES[:, None])
    assert (samples.x.dtype, samples.labels, samples.name) == (np.uint8, None, "train-images-idx3-ubyte")


@pytest.mark.parametrize(
    ("image_name", "label_name"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
        ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("train-images.idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("emnist-letters-train-images-idx3-ubyte.gz", "emnist-letters-train-labels-idx1-ubyte.gz"),
    ],
)
def test_labels_of_the_sibling(tmp_path: Path, image_name: str, label_name: str) -> None:
    path = written(tmp_path / image_name, idx_bytes(IMAGES))
    written(tmp_path / label_name, idx_bytes(LABELS))
    samples = read_idx(path, OPTIONS)
    assert samples.classes == ("1", "2", "3", "4", "5", "6", "9")
    assert samples.labels is not None
    assert [samples.classes[i] for i in samples.labels] == [str(label) for label in LABELS]


def test_packed_files_prefer_a_packed_sibling(tmp_path: Path) -> None:
    for name in ("train-labels-idx1-ubyte", "train-labels-idx1-ubyte.gz"):
        written(tmp_path / name, idx_bytes(LABELS))
    assert label_file(tmp_path / "train-images-idx3-ubyte.gz") == tmp_path / "train-labels-idx1-ubyte.gz"
    assert label_file(tmp_path / "train-images-idx3-ubyte") == tmp_path / "train-labels-idx1-ubyte"
    assert label_file(tmp_path / "digits") is None


def test_folder_gives_train_and_test_with_the_same_classes(tmp_path: Path) -> None:
    written(tmp_path / "train-images-idx3-ubyte.gz", idx_bytes(IMAGES))
    written(tmp_path / "train-labels-idx1-ubyte.gz", idx_bytes(LABELS))
    written(tmp_path / "t10k-images-idx3-ubyte.gz", idx_bytes(IMAGES[:2]))
    written(tmp_path / "t10k-labels-idx1-ubyte.gz", idx_bytes(np.array([8, 3], np.uint8)))
    bundle = read_idx_folder(tmp_path, OPTIONS)
    assert bundle.test is not None
    assert bundle.train.classes == bundle.test.classes == ("1", "2", "3", "4", "5", "6", "8", "9")
    assert bundle.test.labels is not None
    assert [bundle.test.classes[i] for i in bundle.test.labels] == ["8", "3"]
    assert (len(bundle.train), len(bundle.test)) == (10, 2)


def test_folder_with_one_file_and_its_unpacked_twin(tmp_path: Path) -> None:
    for name in ("train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"):
        written(tmp_path / name, idx_bytes(IMAGES))
    assert [path.name for path in image_files(tmp_path)] == ["train-images-idx3-ubyte"]
    assert read_idx_folder(tmp_path, OPTIONS).test is None


def test_folder_without_images_or_with_two_sets(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no IDX image file"):
        read_idx_folder(tmp_path, OPTIONS)
    for name in ("digits", "letters"):
        written(tmp_path / f"emnist-{name}-train-images-idx3-ubyte", idx_bytes(IMAGES))
    with pytest.raises(DataError, match="several data sets") as e:
        read_idx_folder(tmp_path, OPTIONS)
    assert len(e.value.problems) == 2


def test_emnist_is_said_to_be_transposed(tmp_path: Path) -> None:
    samples = read_idx(written(tmp_path / "emnist-digits-train-images-idx3-ubyte", idx_bytes(IMAGES)), OPTIONS)
    assert "transposed" in samples.notes[0]


def test_other_types_follow_the_range_rule(tmp_path: Path) -> None:
    floats = (IMAGES / 255).astype(np.float32)
    samples = read_idx(written(tmp_path / "f-images-idx3", idx_bytes(floats, 0x0D)), OPTIONS)
    np.testing.assert_array_equal(samples.x[:, 0], floats)
    wider = written(tmp_path / "g-images-idx3", idx_bytes(floats * 0 + np.float32([-1, 1, 0, 0, 0]), 0x0D))
    assert "values from -1 to 1" in read_idx(wider, OPTIONS).notes[-1]
    with pytest.raises(DataError, match="image values lie between -1 and 1"):
        read_idx(wider, replace(OPTIONS, range="type"))


def test_fault_01_label_file_passed_as_images(tmp_path: Path, images: Path) -> None:
    labels = written(tmp_path / "train-labels-idx1-ubyte", idx_bytes(LABELS))
    with pytest.raises(DataError, match=r"magic number 2049 means labels .* images \(2051\) are needed") as e:
        read_idx(labels, OPTIONS)
    assert e.value.fix == f"use {images}"
    assert e.value.exit_code == 3
    with pytest.raises(DataError, match="magic number 2051 means images"):
        read_idx_array(images, labels=True)


def test_fault_02_header_empty_or_cut(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a is empty \(0 bytes\)"):
        read_idx(written(tmp_path / "a", b""), OPTIONS)
    with pytest.raises(DataError, match="file has 9 bytes, but an IDX image header needs 16"):
        read_idx(written(tmp_path / "b", idx_bytes(IMAGES)[:9]), OPTIONS)
    with pytest.raises(DataError, match="file has 2 bytes, but an IDX image header needs 16"):
        read_idx(written(tmp_path / "c", b"\0\0"), OPTIONS)
    with pytest.raises(DataError, match=r"is not an IDX file: its magic number is 1633837924"):
        read_idx(written(tmp_path / "d", b"abcdefgh"), OPTIONS)
    with pytest.raises(DataError, match="its header says 0 x 4 x 5, so it holds no images"):
        read_idx(written(tmp_path / "e", idx_bytes(IMAGES[:0])), OPTIONS)


@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_fault_03_shorter_than_the_header_says(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, idx_bytes(IMAGES)[:-16])
    with pytest.raises(DataError, match=r"declares 216 bytes .* has 200: it is truncated"):
        read_idx(path, OPTIONS)


@pytest.mark.parametrize("name", ["a", "a.gz"])
def test_fault_04_trailing_bytes(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, idx_bytes(IMAGES) + b"xyz")
    with pytest.raises(DataError, match="follow the 216 that its header declares") as e:
        read_idx(path, OPTIONS)
    assert "--allow-trailing" in str(e.value.fix)
    samples = read_idx(path, DataConfig(allow_trailing=True))
    np.testing.assert_array_equal(samples.x[:, 0], IMAGES)
    assert "ignored" in samples.notes[0]


def test_fault_05_header_claiming_more_than_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    liar = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 2**15, 2**15) + bytes(100)
    for name in ("a", "a.gz"):
        with pytest.raises(DataError, match="it is truncated"):
            read_idx(written(tmp_path / name, liar), OPTIONS)
    honest = written(tmp_path / "b.gz", idx_bytes(IMAGES))
    monkeypatch.setattr("isthmus.system.memory.available_bytes", lambda: 100)
    monkeypatch.setattr("isthmus.system.scratch.kind_of_disk", lambda folder: "tmpfs")  # which is memory too
    with pytest.raises(ResourceError, match=r"b\.gz needs 200 bytes, but only 80 bytes of memory may be used"):
        read_idx(honest, OPTIONS)


def test_unpacked_images_beyond_memory_are_mapped(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx, "data_bytes", lambda: 80)
    array, _ = read_idx_array(images)
    assert isinstance(array, np.memmap)
    np.testing.assert_array_equal(array, IMAGES)


def test_fault_06_cut_gzip(tmp_path: Path) -> None:
    path = written(tmp_path / "train.gz", idx_bytes(IMAGES))
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match=r"train\.gz: it ends after \d+ unpacked bytes: it is truncated"):
        read_idx(path, OPTIONS)


def test_fault_09_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    bomb = bytes([0, 0, 8, 3]) + struct.pack(">3I", 10, 4, 5) + bytes(20_000_000)
    path = written(tmp_path / "bomb.gz", bomb)
    with pytest.raises(DataError, match="bytes follow the 216"):
        read_idx(path, OPTIONS)


def test_fault_10_counts_differ(tmp_path: Path, images: Path) -> None:
    written(tmp_path / "train-labels-idx1-ubyte", idx_bytes(LABELS[:7]))
    with pytest.raises(DataError, match=r"train-images\S* holds 10 images, but train-labels\S* holds 7 labels"):
        read_idx(images, OPTIONS)


SMALL = idx_bytes(IMAGES[:3])


@pytest.mark.parametrize("packed", [False, True])
def test_every_cut_is_an_error(tmp_path: Path, packed: bool) -> None:
    whole = gzip.compress(SMALL) if packed else SMALL
    path = tmp_path / "a-images-idx3"
    for n in range(len(whole)):
        path.write_bytes(whole[:n])
        with pytest.raises(DataError):
            read_idx(path, OPTIONS)
    path.write_bytes(whole)
    np.testing.assert_array_equal(read_idx(path, OPTIONS).x[:, 0], IMAGES[:3])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), packed=st.booleans())
def test_changed_bytes_give_an_error_or_images(tmp_path: Path, data: st.DataObject, packed: bool) -> None:
    changed = bytearray(gzip.compress(SMALL) if packed else SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a-images-idx3"
    path.write_bytes(changed)
    try:
        n_values = read_idx(path, OPTIONS).x.size
    except DataError:
        n_values = 0
    assert n_values <= len(SMALL) - 16  # a changed header may well say smaller images, but not more


@pytest.mark.full_data
def test_mnist_as_it_is_published() -> None:
    root = Path(os.environ.get("ISTHMUS_DATA", ""))
    folder = next((p for p in (root / "mnist", root) if (p / "train-images-idx3-ubyte.gz").is_file()), None)
    if not os.environ.get("ISTHMUS_DATA") or folder is None:
        pytest.skip("the four MNIST files are not in $ISTHMUS_DATA")
    bundle = read_idx_folder(folder, OPTIONS)
    assert bundle.test is not None
    assert (bundle.train.x.shape, bundle.test.x.shape) == ((60_000, 1, 28, 28), (10_000, 1, 28, 28))
    assert bundle.train.labels is not None
    assert bundle.train.labels[:5].tolist() == [5, 0, 4, 1, 9]  # as on the format's page
    assert round(float(bundle.train.x.mean() / 255), 4) == 0.1307  # the mean that everybody normalizes with
