"""One way into all readers: paths before names, the nearest name, train and test folders."""

from __future__ import annotations

import errno
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faulty import failing_disk
from isthmus.config import DataConfig
from isthmus.data.read import read, read_samples
from isthmus.errors import DataError, ResourceError, UsageError
from isthmus.system import passing_errors


def picture(folder: Path, name: str, value: int) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), value).save(path)


def write_idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


def four_files(folder: Path, stem: str = "", n: int = 6) -> np.ndarray:
    """A little MNIST; returns the training images."""
    images = np.random.default_rng(0).integers(0, 256, (n + 2, 6, 7), dtype=np.uint8)
    labels = (np.arange(n + 2) % 10).astype(np.uint8)
    test = "test" if stem else "t10k"
    for part, rows in (("train", slice(0, n)), (test, slice(n, None))):
        write_idx(folder / f"{stem}{part}-images-idx3-ubyte", images[rows])
        write_idx(folder / f"{stem}{part}-labels-idx1-ubyte", labels[rows])
    return images[:n]


@pytest.mark.parametrize("kind", ["png", "npy", "csv", "idx"])
def test_fault_68_data_is_read_again_whichever_call_fails_for_the_moment(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing_errors, "PAUSE", 0.001)
    source = tmp_path / ("images" if kind == "png" else f"x.{kind}")
    if kind == "png":
        for i in range(3):
            picture(source, f"{i}.png", i)
    elif kind == "npy":
        np.save(source, np.eye(5))
    elif kind == "csv":
        source.write_text("a,b\n" + "1.5,2\n3.5,4\n5.5,7\n")
    else:
        write_idx(source, np.arange(48, dtype=np.uint8).reshape(3, 4, 4))
    whole, at, failed = read(source).train.x, 1, True
    while failed:
        with failing_disk(at, errno.ESTALE) as disk:
            np.testing.assert_array_equal(read(source).train.x, whole)
        at, failed = at + 1, disk.has_failed
    assert at > 2


def test_the_shipped_table() -> None:
    train = read("mnist-2k").train
    assert train.x.shape == (2000, 1, 28, 28)
    assert train.x.dtype == np.uint8
    assert train.labels is not None
    assert np.bincount(train.labels).tolist() == [200] * 10
    assert train.classes == tuple("0123456789")
    assert train.label_column == "label"
    assert (train.columns or ())[::783] == ("pixel0", "pixel783")
    assert train.notes == ()


@pytest.mark.parametrize("name", ["MNIST-2k", " mnist_2k "])
def test_case_and_underscores_of_a_name_do_not_matter(name: str) -> None:
    assert len(read(name).train) == 2000


def test_options_for_other_tables_do_not_reach_the_shipped_one() -> None:
    assert (
        len(read("mnist-2k", DataConfig(label="digit", delimiter=";", header="no", drop_columns=("a",))).train) == 2000
    )


def test_every_kind_of_path(tmp_path: Path) -> None:
    images = four_files(tmp_path / "idx")
    np.save(tmp_path / "x.npy", images)
    np.savez(tmp_path / "x.npz", x=images)
    picture(tmp_path / "folder", "1.png", 9)
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{i},{i / 7}\n" for i in range(6)))
    for name in ("x.npy", "x.npz", "idx/train-images-idx3-ubyte"):
        np.testing.assert_array_equal(read(tmp_path / name).train.x[:, 0], images)
    assert read(str(tmp_path / "t.csv")).train.x.shape == (6, 2)
    assert read(tmp_path / "folder").train.x.shape == (1, 1, 4, 4)
    assert read(tmp_path / "folder" / "1.png").train.ids == ("1.png",)
    bundle = read(tmp_path / "idx")
    assert bundle.test is not None
    assert (len(bundle.train), len(bundle.test)) == (6, 2)


def test_torchvisions_folder(tmp_path: Path) -> None:
    images = four_files(tmp_path / "MNIST" / "raw")
    np.testing.assert_array_equal(read(tmp_path / "MNIST").train.x[:, 0], images)


def test_content_beats_the_suffix_and_is_told(tmp_path: Path) -> None:
    picture(tmp_path, "a.png", 9)
    (tmp_path / "a.png").rename(tmp_path / "a.csv")
    train = read(tmp_path / "a.csv").train
    assert train.x.shape == (1, 1, 4, 4)
    assert train.notes[0] == "a.csv is read as an image file, based on its content."


def test_a_path_beats_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path, "mnist/1.png", 9)
    monkeypatch.chdir(tmp_path)
    train = read("mnist").train
    assert len(train) == 1
    assert train.notes == ("mnist is a path here; the data set of that name is not used.",)


def test_train_and_test_folders(tmp_path: Path) -> None:
    for name, value in (("train/b/1.png", 1), ("train/c/2.png", 2), ("test/a/3.png", 3), ("test/b/4.png", 4)):
        picture(tmp_path, name, value)
    picture(tmp_path, "val/b/5.png", 5)
    bundle = read(tmp_path)
    assert bundle.test is not None
    assert bundle.train.classes == bundle.test.classes == ("a", "b", "c")
    assert bundle.train.labels is not None
    assert bundle.test.labels is not None
    assert (bundle.train.labels.tolist(), bundle.test.labels.tolist()) == ([1, 2], [0, 1])
    assert bundle.train.notes[0] == "The sub-folders train and test are used as training and test data."
    assert "The sub-folder val is not read" in bundle.train.notes[1]


def test_classes_that_happen_to_be_called_so_stay_classes(tmp_path: Path) -> None:
    for name in ("train/1.png", "test/1.png", "plane/1.png"):
        picture(tmp_path, name, 1)
    assert read(tmp_path).train.classes == ("plane", "test", "train")


def test_read_samples_takes_the_test_part(tmp_path: Path) -> None:
    four_files(tmp_path / "idx")
    samples = read_samples(tmp_path / "idx")
    assert len(samples) == 2
    assert samples.notes[-1] == f"{samples.name}: only the test part is read (2 samples)."
    assert len(read_samples("mnist-2k")) == 2000


def test_a_folder_of_tables_asks_which(tmp_path: Path) -> None:
    for name in ("a.csv", "b.npy", "readme.txt"):
        (tmp_path / name).write_text("1\n")
    with pytest.raises(DataError, match="holds no images, but 3 tables or arrays whose names differ") as caught:
        read(tmp_path)
    assert caught.value.problems == ("a.csv", "b.npy", "readme.txt")
    assert (caught.value.fix or "").endswith("a.csv")


def test_fault_39_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 images under"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("mnst", "mnist"),
        ("Fashion", "fashion-mnist"),
        ("emnist", "emnist/balanced"),
        ("emnist/leters", "emnist/letters"),
    ],
)
def test_an_unknown_name_says_the_nearest_and_all(
    text: str, near: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"there is no file or folder .*, and no data set is called") as caught:
        read(text)
    assert caught.value.exit_code == 3
    assert str(tmp_path) in caught.value.message
    assert f"did you mean {near!r}?" in (caught.value.fix or "")
    assert "emnist/byclass" in (caught.value.fix or "")


def test_a_missing_path_says_the_nearest_file(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=r"there is no file .*tran\.csv") as caught:
        read(tmp_path / "tran.csv")
    assert caught.value.fix == f"did you mean {tmp_path / 'train.csv'}?"


@pytest.mark.parametrize("text", ["", "  "])
def test_no_name_at_all(text: str) -> None:
    with pytest.raises(UsageError, match="no data is named"):
        read(text)


@pytest.mark.parametrize("text", ["https://example.org/x.csv", "s3://bucket/x"])
def test_addresses_are_not_fetched(text: str) -> None:
    with pytest.raises(DataError, match="is a URL"):
        read(text)


@pytest.mark.parametrize("text", ["a" * 5000, "nul\0byte", "new\nline"])
def test_fault_66_strange_names(text: str) -> None:
    with pytest.raises(DataError, match="no data set is called") as caught:
        read(text)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 1000


def test_a_broken_link_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.csv").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match="neither a file nor a folder"):
        read(tmp_path / "x.csv")


def test_fault_53_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)  # tests may run as root, who may read everything
    with pytest.raises(ResourceError, match="cannot be read: Permission denied"):
        read(tmp_path)


def test_progress_reaches_the_images(tmp_path: Path) -> None:
    picture(tmp_path, "1.png", 1)
    seen: list[tuple[int, int]] = []
    read(tmp_path, DataConfig(), lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
