"""Python objects as samples: the same values whichever way they are handed over."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from isthmus.config import DataConfig
from isthmus.data import collecting
from isthmus.data.objects import read_object
from isthmus.data.read import read
from isthmus.data.samples import Bundle, Samples
from isthmus.errors import DataError, ResourceError, UsageError

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 1, 8, 9), dtype=np.uint8)
FLOATS = (IMAGES / 255).astype(np.float32)
LABELS = np.arange(10) % 3


class Pairs(Dataset):
    """As torchvision's data sets: pictures and whole numbers, `classes` beside them."""

    classes = ("ant", "bee", "cat", "dog")

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __len__(self) -> int:
        return 10

    def __getitem__(self, i: int) -> object:
        tensor = torch.from_numpy(FLOATS[i])
        match self.kind:
            case "picture":
                return Image.fromarray(IMAGES[i, 0]), int(LABELS[i])
            case "tensor":
                return tensor, torch.tensor(LABELS[i])
            case "mapping":
                return {"image": Image.fromarray(IMAGES[i, 0]), "label": int(LABELS[i])}
            case "mask":
                return tensor, tensor
            case _:
                return tensor


class Stream(IterableDataset):
    def __init__(self, n: int | None) -> None:
        self.n = n

    def __iter__(self) -> Iterator[tuple[torch.Tensor, int]]:
        for i in itertools.count() if self.n is None else range(self.n):
            yield torch.from_numpy(FLOATS[i % 10]), int(LABELS[i % 10])


def assert_images(bundle: Bundle, expected: np.ndarray, labels: bool = True) -> None:
    np.testing.assert_array_equal(bundle.train.x, expected)
    assert bundle.train.x.dtype == expected.dtype
    if labels:
        assert bundle.train.labels is not None
        np.testing.assert_array_equal(bundle.train.labels, LABELS)


@pytest.mark.parametrize("kind", ["numpy", "tensor", "N H W", "list of arrays", "list of tensors"])
def test_arrays_and_tensors(kind: str) -> None:
    data = {
        "numpy": IMAGES,
        "tensor": torch.from_numpy(IMAGES),
        "N H W": IMAGES[:, 0],
        "list of arrays": list(IMAGES),
        "list of tensors": [torch.from_numpy(image) for image in IMAGES],
    }[kind]
    assert_images(read_object(data, labels=LABELS), IMAGES)


def test_tensors_on_the_way_to_numpy() -> None:
    half = torch.from_numpy(FLOATS).bfloat16().requires_grad_()
    np.testing.assert_array_equal(read_object(half).train.x, half.detach().float().numpy())


def test_a_pair_is_samples_and_labels() -> None:
    bundle = read_object((torch.from_numpy(FLOATS), torch.from_numpy(LABELS)))
    assert_images(bundle, FLOATS)
    assert bundle.train.classes == ("0", "1", "2")


def test_labels_may_be_words() -> None:
    words = np.array(["cat", "ant", "bee"])[LABELS]
    train = read_object((IMAGES, words.tolist())).train
    assert train.labels is not None
    assert [train.classes[label] for label in train.labels] == words.tolist()


def test_a_pair_of_two_sets_is_refused() -> None:
    with pytest.raises(UsageError, match=r"the second part has shape \(10, 1, 8, 9\)"):
        read_object((IMAGES, IMAGES))


def test_train_and_test_in_a_mapping_share_their_classes() -> None:
    bundle = read_object({"train": (IMAGES, ["a"] * 5 + ["c"] * 5), "test": (IMAGES[:2], ["b", "c"])})
    assert bundle.test is not None
    assert bundle.train.classes == bundle.test.classes == ("a", "b", "c")
    assert bundle.test.labels is not None
    assert bundle.test.labels.tolist() == [1, 2]
    with pytest.raises(UsageError, match="'val' besides"):
        read_object({"train": IMAGES, "val": IMAGES})


@pytest.mark.parametrize("frame", [pl.DataFrame, pd.DataFrame])
def test_frames(frame: type) -> None:
    values = np.arange(20.0).reshape(10, 2) / 7
    data = frame({"a": values[:, 0], "b": values[:, 1], "kind": [f"k{n}" for n in LABELS]})
    train = read_object(data, DataConfig(label="kind")).train
    np.testing.assert_array_equal(train.x, values.astype(np.float32))
    assert train.columns == ("a", "b")
    assert train.labels is not None
    assert train.labels.tolist() == LABELS.tolist()


def test_samples_and_bundles_pass_through() -> None:
    samples = Samples(IMAGES, "mine")
    assert read_object(samples).train is samples
    bundle = Bundle(samples, samples)
    assert read_object(bundle).test is samples


def test_pictures_in_a_list_and_alone() -> None:
    pictures = [Image.fromarray(image[0]) for image in IMAGES]
    assert_images(read_object(pictures, labels=LABELS), IMAGES)
    assert_images(read_object(pictures[0]), IMAGES[:1], labels=False)


@pytest.mark.parametrize(("kind", "expected"), [("picture", IMAGES), ("mapping", IMAGES), ("tensor", FLOATS)])
def test_datasets_with_labels(kind: str, expected: np.ndarray) -> None:
    bundle = read_object(Pairs(kind))
    assert_images(bundle, expected)
    assert bundle.train.classes == Pairs.classes  # also those without a sample here


def test_dataset_without_labels() -> None:
    train = read_object(Pairs("bare")).train
    np.testing.assert_array_equal(train.x, FLOATS)
    assert train.labels is None
    assert train.notes == ()


def test_what_is_no_label_is_left_out_and_told() -> None:
    train = read_object(Pairs("mask")).train
    assert train.labels is None
    assert train.notes == ("data: the samples do not come with one class each; no labels are used.",)


def test_subsets_and_tensor_datasets() -> None:
    whole = TensorDataset(torch.from_numpy(FLOATS), torch.from_numpy(LABELS))
    assert_images(read_object(whole), FLOATS)
    part = read_object(Subset(whole, [3, 1])).train
    np.testing.assert_array_equal(part.x, FLOATS[[3, 1]])


@pytest.mark.parametrize("kind", ["tensor", "bare"])
def test_a_loader_is_read_once(kind: str) -> None:
    loader = DataLoader(Pairs(kind), batch_size=4)
    assert_images(read_object(loader), FLOATS, labels=kind == "tensor")


def test_a_loader_without_batches() -> None:
    assert_images(read_object(DataLoader(Pairs("tensor"), batch_size=None)), FLOATS)


def test_streams_and_generators_that_end() -> None:
    assert_images(read_object(Stream(10)), FLOATS)
    assert_images(read_object(DataLoader(Stream(10), batch_size=3)), FLOATS)
    assert_images(read_object((image, int(label)) for image, label in zip(FLOATS, LABELS, strict=True)), FLOATS)


def test_an_endless_stream_stops_at_the_limit() -> None:
    train = read_object(Stream(None), DataConfig(limit=5)).train
    assert len(train) == 20
    assert train.notes == ("data has no length; only 20 samples are read, because --limit is set.",)


def test_an_endless_stream_without_a_limit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "available_bytes", lambda: 1_500_000)
    with pytest.raises(ResourceError, match=r"gave 3,000 samples \(864\.0 kB\) and has not ended; 1\.5 MB") as caught:
        read_object(Stream(None))
    assert caught.value.fix == "pass fewer samples, or set a limit"
    monkeypatch.setattr(collecting, "available_bytes", lambda: None)
    monkeypatch.setattr(collecting, "MOST_ITEMS", 1500)
    with pytest.raises(ResourceError, match="gave 2,000 samples"):
        read_object(Stream(None))


def test_a_path_or_a_name_is_read_as_such(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", IMAGES)
    np.testing.assert_array_equal(read_object(tmp_path / "x.npy").train.x, IMAGES)
    assert read_object("mnist-2k").train.name == "mnist-2k"
    np.testing.assert_array_equal(read(IMAGES).train.x, IMAGES)


def test_options_hold_for_objects_too() -> None:
    color = np.repeat(IMAGES, 3, axis=1)
    train = read(color, DataConfig(gray=True, resize="4")).train
    assert train.x.shape == (10, 1, 4, 4)


def test_rows_left_out_take_their_labels_with_them() -> None:
    x = np.random.default_rng(0).random((10, 4)).astype(np.float32)
    x[2, 1] = np.nan
    train = read_object((x, LABELS), DataConfig(missing="drop")).train
    assert train.labels is not None
    assert train.labels.tolist() == np.delete(LABELS, 2).tolist()


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (3, UsageError, "builtins.int, which cannot be read"),
        ({"a": 1}, UsageError, "builtins.dict, which cannot be read"),
        (b"bytes", UsageError, "builtins.bytes, which cannot be read"),
        ([], DataError, "is an empty list"),
        (iter(()), DataError, "gave no samples"),
        (
            [np.zeros((2, 2)), np.zeros((3, 2))],
            DataError,
            r"sample 1 has shape \(3, 2\), but earlier ones have \(2, 2\)",
        ),
        ([np.zeros((2, 2)), Image.new("L", (2, 2))], DataError, "mixes arrays and images"),
        ([np.array(["a"]), np.array(["b"])], DataError, "not numbers or an image"),
        ([{"a": 1}], DataError, "none is known for samples"),
        ([Image.new("L", (2, 2)), Image.new("L", (3, 2))], DataError, "images of 2 sizes"),
    ],
)
def test_what_cannot_be_read(data: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_object(data)


def test_wrong_number_of_labels() -> None:
    with pytest.raises(DataError, match=r"data holds 10 samples, but the labels have shape \(9,\)"):
        read_object(IMAGES, labels=LABELS[:9])


@pytest.mark.parametrize("values", [FLOATS * 255, FLOATS - 0.5])
def test_fault_86_floats_of_another_range_are_told_and_refused_by_type(values: np.ndarray) -> None:
    assert "black and white are the minimum and maximum" in read_object(values).train.notes[-1]
    with pytest.raises(DataError, match=r"0 to 1|\[0, 1\]"):
        read_object(values, DataConfig(range="type"))
