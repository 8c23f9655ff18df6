"""Files of arrays: .npy and .npz, in the forms in which people save them."""

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.config import DataConfig
from isthmus.data.arrays.array_files import read_npy, read_npz
from isthmus.errors import DataError, ResourceError

OPTIONS = DataConfig()
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 7), dtype=np.uint8)


def npz(path: Path, **arrays: object) -> Path:
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def is_mapped(array: np.ndarray | None) -> bool:
    while array is not None and not isinstance(array, np.memmap):
        array = array.base  # type: ignore[assignment]
    return array is not None


@pytest.mark.parametrize("order", ["C", "F"])
def test_unpacked_bytes_stay_on_disk(tmp_path: Path, order: str) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.asarray(IMAGES, order=order))  # type: ignore[call-overload]
    samples = read_npy(path, OPTIONS)
    assert is_mapped(samples.x)
    np.testing.assert_array_equal(samples.x[:, 0], IMAGES)
    assert samples.name == "x"


def test_packed_array_without_the_suffix(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, IMAGES)
    path = tmp_path / "x.npy"
    path.write_bytes(gzip.compress(stream.getvalue()))
    samples = read_npy(path, OPTIONS)
    np.testing.assert_array_equal(samples.x[:, 0], IMAGES)
    assert "holds gzip data" in samples.notes[0]


def test_fault_05_npy_shorter_or_longer_than_its_header(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, IMAGES)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match=r"declares 338 bytes .* has 337: it is truncated"):
        read_npy(path, OPTIONS)
    path.write_bytes(whole + b"xy")
    with pytest.raises(DataError, match="more bytes follow the 338"):
        read_npy(path, OPTIONS)
    assert len(read_npy(path, DataConfig(allow_trailing=True))) == 5


def test_keras_names_give_train_and_test(tmp_path: Path) -> None:
    path = npz(tmp_path / "mnist.npz", x_train=IMAGES, y_train=np.arange(5), x_test=IMAGES[:2], y_test=np.array([7, 1]))
    bundle = read_npz(path, OPTIONS)
    assert bundle.test is not None
    assert bundle.train.classes == bundle.test.classes == ("0", "1", "2", "3", "4", "7")
    assert bundle.test.labels is not None
    assert bundle.test.labels.tolist() == [5, 1]
    np.testing.assert_array_equal(bundle.test.x[:, 0], IMAGES[:2])


def test_medmnist_names_with_validation_part_left_out(tmp_path: Path) -> None:
    y = np.arange(5)[:, None]
    arrays = {
        f"{part}_{kind}": v for part in ("train", "val", "test") for kind, v in (("images", IMAGES), ("labels", y))
    }
    bundle = read_npz(npz(tmp_path / "a.npz", **arrays), OPTIONS)
    assert bundle.test is not None
    assert bundle.train.labels is not None
    assert bundle.train.labels.tolist() == [0, 1, 2, 3, 4]
    assert "not read: val_images, val_labels" in bundle.train.notes[0]


@pytest.mark.parametrize("names", [("X", "y"), ("images", "labels"), ("data", "target")])
def test_samples_with_worded_labels(tmp_path: Path, names: tuple[str, str]) -> None:
    path = npz(tmp_path / "a.npz", **{names[0]: IMAGES, names[1]: np.array(["b", "a", "b", "a", "c"])})
    train = read_npz(path, OPTIONS).train
    assert train.classes == ("a", "b", "c")
    assert train.labels is not None
    assert train.labels.tolist() == [1, 0, 1, 0, 2]


def test_positional_arrays_and_a_lone_one(tmp_path: Path) -> None:
    two = read_npz(npz(tmp_path / "a.npz", arr_0=IMAGES, arr_1=np.arange(5)), OPTIONS).train
    assert two.classes == ("0", "1", "2", "3", "4")
    assert "arr_1 has one value per sample of arr_0 and is used as the labels" in two.notes[0]
    assert len(read_npz(npz(tmp_path / "b.npz", faces=IMAGES), OPTIONS).train) == 5


def test_fault_28_several_arrays_and_no_choice(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", a=IMAGES, b=IMAGES[:3], c=np.zeros(2))
    with pytest.raises(DataError, match="holds 3 arrays, and it is unclear which one holds the samples") as e:
        read_npz(path, OPTIONS)
    assert e.value.problems == ("a: 5 x 6 x 7, uint8", "b: 3 x 6 x 7, uint8", "c: 2, float64")
    assert e.value.fix == "pass --key a or --key b or --key c"
    assert len(read_npz(path, DataConfig(key="b")).train) == 3
    with pytest.raises(DataError, match='holds no array "q"'):
        read_npz(path, DataConfig(key="q"))


def test_key_brings_its_labels(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", x_train=IMAGES, y_train=np.arange(5), x_test=IMAGES[:2], y_test=np.array([7, 1]))
    bundle = read_npz(path, DataConfig(key="x_test"))
    assert (bundle.train.classes, bundle.test) == (("1", "7"), None)


def test_fault_10_counts_differ(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds 5 samples, but there are 4 labels"):
        read_npz(npz(tmp_path / "a.npz", x=IMAGES, y=np.arange(4)), OPTIONS)


def test_fault_27_archive_with_python_objects(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{}, 1], object))
    with pytest.raises(DataError, match=r"a\.npz: array 'x' holds Python objects"):
        read_npz(tmp_path / "a.npz", OPTIONS)


@pytest.mark.parametrize("read", [read_npy, read_npz])
def test_fault_29_text_under_the_name_of_an_array(tmp_path: Path, read) -> None:
    path = tmp_path / ("a." + read.__name__[-3:])
    path.write_text("hello, world, this is text")
    with pytest.raises(DataError, match=rf"{path.name} is named {path.suffix} but starts with .* looks like text"):
        read(path, OPTIONS)


def test_fault_09_archive_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = npz(tmp_path / "a.npz", x=np.zeros((30_000, 28, 28), np.uint8))
    assert bomb.stat().st_size < 100_000
    monkeypatch.setattr("isthmus.system.memory.available_bytes", lambda: 10_000_000)
    monkeypatch.setattr("isthmus.system.scratch.kind_of_disk", lambda folder: "tmpfs")  # which is memory too
    with pytest.raises(ResourceError, match=r"a\.npz needs 23\.5 MB, but only 8\.0 MB of memory may be used"):
        read_npz(bomb, OPTIONS)


def test_fault_09_member_larger_than_it_can_be(tmp_path: Path) -> None:
    stream = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (10**9, 1, 1)}
    np.lib.format.write_array_header_1_0(stream, header)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", stream.getvalue() + bytes(10))
    with pytest.raises(DataError, match=r"declares 1,000,000,128 bytes .* it is truncated"):
        read_npz(tmp_path / "a.npz", OPTIONS)


def test_archive_without_arrays(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(DataError, match="holds no array"):
        read_npz(tmp_path / "a.npz", OPTIONS)


def test_every_cut_of_an_archive_is_an_error(tmp_path: Path) -> None:
    whole = npz(tmp_path / "a.npz", x=IMAGES[:1]).read_bytes()
    for n in range(len(whole)):
        (tmp_path / "b.npz").write_bytes(whole[:n])
        with pytest.raises(DataError):
            read_npz(tmp_path / "b.npz", OPTIONS)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes_give_an_error_or_the_same_images(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "c.npz"
    changed = bytearray(npz(path, x=IMAGES[:2], y=np.arange(2)).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(changed)
    try:
        found = read_npz(path, OPTIONS).train.x[:, 0]
    except (DataError, ResourceError):
        found = IMAGES[:2]
    np.testing.assert_array_equal(found, IMAGES[:2])  # zip keeps a checksum of every member
