from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.decomposition import PCA

import isthmus
import tiny
from isthmus.api import Run
from isthmus.errors import UsageError
from isthmus.evaluation.figures.canvas import DPI
from isthmus.tools.exploration.code_map import map_codes


@pytest.fixture(scope="module")
def grove(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on a table with a column of labels."""
    folder = tmp_path_factory.mktemp("grove")
    x = tiny.table(150, 4)
    kinds = np.where(x[:, 0] > 0, "=oak", "beech")
    pl.DataFrame({"kind": kinds} | {f"c{i}": x[:, i] for i in range(4)}).write_csv(folder / "trees.csv")
    given: dict[str, Any] = tiny.SMALL | {"label": "kind", "epochs": 2, "batch_size": 32}
    return isthmus.train(folder / "trees.csv", out=folder / "run", show=False, **given)


def test_a_map_of_the_test_data_is_that_of_its_codes(digit_run: Run) -> None:
    found = map_codes(digit_run, method="pca")
    test = digit_run.prepared.splits.test
    expected = PCA(2).fit_transform(digit_run.model.encode(test.x))
    np.testing.assert_allclose(np.abs(found.points), np.abs(expected), rtol=1e-3, atol=1e-3)  # float32
    table = found.columns()
    assert list(table) == ["id", "label", "x", "y"]
    assert table["id"] == [test.id_of(i) for i in range(200)]
    assert test.labels is not None
    assert table["label"] == [str(k) for k in test.labels]
    about = found.as_dict()
    assert (about["n"], about["method"], about["color"]) == (200, "pca", "label")
    assert about["points"]["x"] == found.points[:, 0].tolist()


def test_digits_are_drawn_as_small_pictures(digit_run: Run) -> None:
    figure = map_codes(digit_run, "mnist-2k", method="pca", limit=300).draw()
    assert len(figure.axes[0].images) == 1
    width, height = figure.get_size_inches() * DPI
    assert 1_000 < width < 1_300
    assert 500 < height < 1_300
    assert not map_codes(digit_run, method="pca", color="none").draw().axes[0].collections


def test_of_many_samples_some_are_taken(digit_run: Run) -> None:
    found = map_codes(digit_run, "mnist-2k", method="pca", limit=50)
    assert np.bincount([int(k) for k in found.columns()["label"]]).tolist() == [5] * 10
    assert "50 of 2,000 samples are used (--limit raises the number)" in found.as_dict()["said"]


def test_rows_of_a_table_are_points_colored_by_label_or_column(grove: Run) -> None:
    by_label = map_codes(grove, grove.config.data.source, method="pca")
    assert by_label.color == "label"
    texts = [text.get_text() for text in by_label.draw().axes[0].texts]
    assert texts.count("=oak") == 2
    by_column = map_codes(grove, grove.config.data.source, method="pca", color="c2")
    values = pl.read_csv(grove.config.data.source)["c2"].to_numpy()
    np.testing.assert_allclose(by_column.columns()["c2"], values, rtol=1e-6)  # float32
    assert by_column.draw().axes[0].collections[0].get_clim() == pytest.approx(np.quantile(values, [0.01, 0.99]))


def test_colors_that_are_not_there(grove: Run, denoiser: Run) -> None:
    with pytest.raises(UsageError, match="unknown color 'c9'"):
        map_codes(grove, method="pca", color="c9")
    with pytest.raises(UsageError, match="has no labels to color the map by"):
        map_codes(denoiser, method="pca", color="label")
    assert map_codes(denoiser, method="pca").color == "none"
    with pytest.raises(UsageError, match="unknown method"):
        map_codes(grove, "not read.csv", method="pac")


def test_a_map_is_the_same_every_time(digit_run: Run, tmp_path: Path) -> None:
    first, second = map_codes(digit_run), map_codes(digit_run)
    assert first.method == "tsne"
    assert np.array_equal(first.points, second.points)


def test_of_a_small_table_all_rows_are_drawn(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", tiny.table(100, 3))
    run = isthmus.train(tmp_path / "t.npy", out=tmp_path / "run", **tiny.FAST)
    (told,) = [note for note in map_codes(run, method="pca").samples.notes if "used too" in note]
    assert told == "training and validation samples are used too, 100 in all, because the test set has only 10"
    assert sorted(map(int, map_codes(run, method="pca").samples.ids or ())) == list(range(100))
    assert len(map_codes(run, method="pca", limit=40).samples) == 40
    whole = map_codes(run, tmp_path / "t.npy", method="pca").samples
    assert len(whole) == 100
    assert not any("test samples" in note for note in whole.notes)
