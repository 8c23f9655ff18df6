from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.spatial.distance import cdist

import isthmus
import tiny
from isthmus.api import Run
from isthmus.data.images.saving import save_image
from isthmus.errors import UsageError
from isthmus.tools.exploration.code_map import map_codes
from isthmus.tools.exploration.lookup import look_up
from tiny import Digits


def test_the_nearest_in_the_training_data_by_code_and_by_pixels(digit_run: Run, digits: Digits, tmp_path: Path) -> None:
    save_image(tmp_path / "my 5.png", digits.x[0])
    found = look_up(digit_run, str(tmp_path / "my 5.png"), k=6)
    train = digit_run.prepared.splits.train
    z = cdist(digit_run.model.encode(digits.x[:1]), digit_run.model.encode(train.x))[0]
    pixels = np.sqrt(np.square(digits.x[:1] / 255 - train.x / 255).mean((1, 2, 3)))
    assert found.code.rows[0].tolist() == np.argsort(z, kind="stable")[:6].tolist()
    np.testing.assert_allclose(found.code.distances[0], np.sort(z)[:6], atol=1e-4)  # float32
    assert found.raw.rows[0].tolist() == np.argsort(pixels, kind="stable")[:6].tolist()
    np.testing.assert_allclose(found.raw.distances[0], np.sort(pixels)[:6], rtol=1e-6, atol=1e-9)
    table = found.columns()
    assert {key: len(values) for key, values in table.items()} == dict.fromkeys(table, 12)
    assert table["query"] == ["my 5.png"] * 12
    assert table["rank"] == [1, 2, 3, 4, 5, 6] * 2
    assert table["id"][:6] == [train.id_of(row) for row in found.code.rows[0]]
    assert found.as_dict()["neighbors"][0]["space"] == "code"
    assert len(found.draw().axes[0].images) == 13


def test_a_sample_of_the_data_searched_is_not_its_own_neighbor(digit_run: Run) -> None:
    found = look_up(digit_run, "mnist-2k:3,8", "mnist-2k", k=4)
    assert found.columns()["query"] == ["3"] * 8 + ["8"] * 8
    assert not {3, 8} & {int(found.code.rows[0, 0]), int(found.raw.rows[0, 0])} - {8}
    assert (found.raw.distances > 0).all()


def test_a_row_of_the_runs_own_data_is_not_its_own_neighbor_but_an_equal_file_is(
    digit_run: Run, tmp_path: Path
) -> None:
    train = digit_run.prepared.splits.train
    row = train.id_of(0)
    own = look_up(digit_run, f"mnist-2k:{row}", k=3)
    assert row not in own.columns()["id"]
    assert (own.raw.distances > 0).all()
    np.save(tmp_path / "copy.npy", train.x[:1])
    elsewhere = look_up(digit_run, str(tmp_path / "copy.npy"), k=3)
    assert elsewhere.raw.distances[0, 0] == 0
    assert elsewhere.columns()["id"][0] == row
    tested = look_up(
        digit_run, f"mnist-2k:{digit_run.prepared.splits.test.id_of(0)}", k=len(train)
    )  # is not among them
    assert tested.code.rows.shape[1] >= len(train) - 1


def test_rows_are_searched_too_and_a_sample_among_them_is_known(digit_run: Run) -> None:
    found = look_up(digit_run, "mnist-2k:3", "mnist-2k:0-9", k=9)
    assert len(found.data) == 10
    assert sorted(found.columns()["id"][:9]) == [str(i) for i in range(10) if i != 3]


def test_data_without_labels_has_no_column_of_them(denoiser: Run, images: Path) -> None:
    found = look_up(denoiser, f"{images}:0", str(images), k=2)
    assert list(found.columns()) == ["query", "space", "rank", "id", "distance"]
    assert found.draw() is not None


def test_rows_of_a_table_are_found_but_not_drawn(tmp_path: Path) -> None:
    x = tiny.table(100, 3)
    x[50] = x[20]
    np.save(tmp_path / "t.npy", x)
    given: dict[str, Any] = tiny.SMALL | {"epochs": 1, "batch_size": 32, "z_size": 2}
    run = isthmus.train(tmp_path / "t.npy", out=tmp_path / "run", show=False, **given)
    found = look_up(run, f"{tmp_path / 't.npy'}:20", str(tmp_path / "t.npy"), k=1)
    assert found.columns()["id"] == ["50", "50"]
    assert found.columns()["distance"] == pytest.approx([0, 0], abs=1e-5)  # float32, in batches of different sizes
    with pytest.raises(UsageError, match="cannot be drawn"):
        found.draw()


def test_columns_named_as_an_answer_is_stand_beside_it(tmp_path: Path) -> None:
    table = pl.DataFrame(tiny.table(100, 4), schema=["distance", "rank", "x", "y"])
    table.write_csv(tmp_path / "t.csv")
    given: dict[str, Any] = tiny.SMALL | {"epochs": 1, "batch_size": 32, "z_size": 2}
    run = isthmus.train(tmp_path / "t.csv", out=tmp_path / "run", show=False, **given)
    columns = look_up(run, f"{tmp_path / 't.csv'}:20", k=2).columns()
    assert columns["rank"] == [1, 2, 1, 2]
    rows = [int(name) for name in columns["id"]]
    for name in ("distance", "rank"):
        assert columns[f"{name} (value)"] == pytest.approx(table[name].to_numpy()[rows], rel=1e-5)
    assert columns["x"] == pytest.approx(table["x"].to_numpy()[rows], rel=1e-5)
    drawn = map_codes(run, str(tmp_path / "t.csv"), method="pca", color="x")
    points = drawn.columns()
    np.testing.assert_array_equal(points["x"], drawn.points[:, 0])
    assert points["x (value)"] == pytest.approx(table["x"].to_numpy(), rel=1e-5)
