"""`hub:NAME` beside what `datasets` itself gives, on local folders; the network is off."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from isthmus.config import DataConfig
from isthmus.data.named.hub import HubName, hub_name
from isthmus.data.read import read, read_samples
from isthmus.errors import DataError, UsageError
from isthmus.system.scratch import is_mapped
from isthmus.tools.inference.picking import parted

WITHOUT = "the package datasets is not installed: pip install 'isthmus[hub]'"
RNG = np.random.default_rng(0)
PIXELS = {split: RNG.integers(0, 256, (6, 9, 8, 3), dtype=np.uint8) for split in ("train", "test")}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    found = pytest.importorskip("datasets", reason=WITHOUT)
    monkeypatch.setattr(found.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return found


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder in the layout of `datasets`: two splits, in each a folder a class, which sort against their pixels."""
    for split, images in PIXELS.items():
        for i, pixels in enumerate(images):
            folder = tmp_path / "imgs" / split / ("cat" if i < 3 else "dog")
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "imgs"


def saved(hub: Any, folder: Path, columns: dict[str, list[Any]], **types: Any) -> str:
    """Columns as `save_to_disk` leaves them, with the types of `datasets`; read from Parquet, as from the Hub."""
    (source := folder.with_name(f"{folder.name}.source")).mkdir()
    pl.DataFrame(columns).write_parquet(source / "train.parquet")
    features = hub.Features(types) if types else None
    hub.load_dataset(str(source), split="train", features=features).save_to_disk(str(folder))
    return f"hub:{folder}"


def test_names_are_parted() -> None:
    assert hub_name("hub:a/b#c@train[:10]") == HubName("a/b", "c", "train[:10]")
    assert parted("hub:a/b:0-9") == ("hub:a/b", "0-9")
    assert parted("hub:2024") == ("hub:2024", None)
    for text in ("hub:", "hub:@train", "hub:a@", "hub:a#@train"):
        with pytest.raises(UsageError, match="is not the name of a data set on the Hub"):
            hub_name(text)


def test_images_come_with_their_splits_and_classes(hub: Any, pictures: Path) -> None:
    bundle = read(f"hub:{pictures}")
    assert bundle.test is not None
    for split, samples in (("train", bundle.train), ("test", bundle.test)):
        np.testing.assert_array_equal(samples.x, PIXELS[split].transpose(0, 3, 1, 2))
        assert samples.labels is not None
        assert [samples.classes[k] for k in samples.labels] == ["cat"] * 3 + ["dog"] * 3
    np.testing.assert_array_equal(read_samples(f"hub:{pictures}").x, bundle.test.x)
    assert len(read(f"hub:{pictures}@train[:2]").train) == 2


def test_what_was_saved_is_read_as_what_was_loaded(hub: Any, pictures: Path, tmp_path: Path) -> None:
    loaded = hub.load_dataset(str(pictures))
    loaded.save_to_disk(str(tmp_path / "both"))
    loaded["test"].save_to_disk(str(tmp_path / "one"))
    both, one = read(f"hub:{tmp_path / 'both'}"), read(f"hub:{tmp_path / 'one'}").train
    assert both.test is not None
    np.testing.assert_array_equal(both.test.x, one.x)
    np.testing.assert_array_equal(one.x, PIXELS["test"].transpose(0, 3, 1, 2))
    with pytest.raises(UsageError, match="unknown split 'tset'") as caught:
        read(f"hub:{tmp_path / 'both'}@tset")
    assert "did you mean 'test'" in caught.value.fix


def test_images_that_exceed_memory_are_kept_in_a_file(hub: Any, pictures: Path) -> None:
    samples = read(f"hub:{pictures}@train", DataConfig(memory="1KB")).train  # 1,296 bytes of pixels
    assert is_mapped(samples.x)
    np.testing.assert_array_equal(samples.x, PIXELS["train"].transpose(0, 3, 1, 2))


def test_a_table_is_read_as_its_file_is(hub: Any, tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    rows = pl.DataFrame({"a": RNG.normal(size=40), "b": RNG.normal(size=40), "kind": ["x", "y"] * 20})
    rows.write_csv(tmp_path / "rows" / "train.csv")
    options = DataConfig(label="kind")
    found, expected = (
        read(source, options).train for source in (f"hub:{tmp_path / 'rows'}", tmp_path / "rows" / "train.csv")
    )
    np.testing.assert_array_equal(found.x, expected.x)
    assert (found.columns, found.classes) == (("a", "b"), ("x", "y"))
    np.testing.assert_array_equal(found.labels, expected.labels)


def test_a_column_of_classes_is_the_label_of_a_table(hub: Any, tmp_path: Path) -> None:
    kinds, number = hub.ClassLabel(names=["small", "large"]), hub.Value("float64")
    given = {"a": RNG.normal(size=20).tolist(), "b": RNG.normal(size=20).tolist(), "size": [0, 1] * 10}
    samples = read(saved(hub, tmp_path / "sizes", given, a=number, b=number, size=kinds)).train
    assert samples.label_column == "size"
    assert samples.labels is not None
    assert [samples.classes[k] for k in samples.labels] == ["small", "large"] * 10
    np.testing.assert_allclose(samples.x, np.stack([given["a"], given["b"]], axis=1), rtol=1e-6)  # float32


def test_columns_of_arrays_are_images(hub: Any, tmp_path: Path) -> None:
    x = RNG.integers(0, 256, (5, 7, 6), dtype=np.uint8)
    types = {"x": hub.Array2D((7, 6), "uint8"), "note": hub.Value("string")}
    samples = read(saved(hub, tmp_path / "x", {"x": x.tolist(), "note": list("abcde")}, **types)).train
    np.testing.assert_array_equal(samples.x, x[:, None])
    assert samples.notes[0] == 'x: column "x" is used; not used: "note".'


def test_fault_154_an_image_that_is_missing_or_cut_is_named_with_its_row(hub: Any, tmp_path: Path) -> None:
    png = tmp_path / "a.png"
    Image.fromarray(PIXELS["train"][0]).save(png)
    whole = png.read_bytes()
    images = [{"bytes": part, "path": None} for part in (whole, whole[:90], whole)]
    for k, cut in enumerate(([*images[:1], None, images[2]], images, [images[0], {"bytes": b"no", "path": None}])):
        source = saved(hub, tmp_path / f"cut{k}", {"image": cut}, image=hub.Image())
        with pytest.raises(DataError, match=r"image 1 .*(missing|truncated|format)") as caught:
            read(source)
        assert "pass --skip-bad-files" in caught.value.fix
        left = read(source, DataConfig(skip_bad_files=True)).train
        assert (len(left), len(left.skipped)) == (len(cut) - 1, 1)


def test_fault_154_lists_are_no_columns(hub: Any, tmp_path: Path) -> None:
    given = {"a": [1.0, 2.0, 4.0], "b": [1.5, 2.5, 0.5], "words": [["x"], ["y", "z"], []]}
    source = saved(hub, tmp_path / "lists", given)
    with pytest.raises(DataError, match='cannot be part of a table: "words"') as caught:
        read(source)
    assert caught.value.fix == "pass --drop-column words"
    assert read(source, DataConfig(drop_columns=("words",))).train.columns == ("a", "b")


def test_fault_155_the_extra_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match="needs the package datasets, which is not installed") as caught:
        read("hub:ylecun/mnist")
    assert "install" in caught.value.fix


@pytest.mark.parametrize(
    ("kind", "code", "text"),
    [
        ("ConnectionError", "DATA-DOWNLOAD", "the Hugging Face Hub cannot be reached"),
        ("DatasetNotFoundError", "DATA-SOURCE", "not found on the Hugging Face Hub, or private"),
        ("ValueError", "DATA-HUB", "cannot be loaded: Config name is missing."),
    ],
)
def test_fault_32_what_the_hub_does_not_give_is_told(
    hub: Any, monkeypatch: pytest.MonkeyPatch, kind: str, code: str, text: str
) -> None:
    error = getattr(hub.exceptions, kind, None) or {"ConnectionError": ConnectionError, "ValueError": ValueError}[kind]

    def refuse(*_: Any, **__: Any) -> None:
        raise error("Config name is missing.")

    monkeypatch.setattr(hub, "load_dataset", refuse)
    with pytest.raises(DataError, match=text) as caught:
        read("hub:nobody/nothing")
    assert caught.value.code == code


def test_fault_32_a_split_that_is_not_there_is_told_with_those_that_are(hub: Any, pictures: Path) -> None:
    with pytest.raises(DataError, match=r'Unknown split "tset"\. Should be one of \[.train., .test.\]'):
        read(f"hub:{pictures}@tset")
