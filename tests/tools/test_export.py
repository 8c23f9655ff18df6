"""`isthmus export`: what is written, what it is compared with, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from torch import nn

import isthmus
import tiny
from isthmus.api import Run
from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded
from isthmus.errors import ModelFileError, UsageError
from isthmus.extras import installing
from isthmus.models import graphs
from isthmus.tools.export import ONE_LEVEL, TOLERANCE, Export, compared, export, without_border_cells

NAMES = ["digits.onnx", "digits-encoder.onnx", "digits-decoder.onnx"]


@pytest.fixture(scope="module")
def exported(denoiser: Run, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """The files of a run whose data is there; not to be changed."""
    return export(denoiser, tmp_path_factory.mktemp("onnx") / "digits.onnx")


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on a table of which nothing is left."""
    folder = tmp_path_factory.mktemp("table")
    columns = {f"c{i}": column for i, column in enumerate((tiny.table(80) * 5 + 20).T)}
    pl.DataFrame(columns).write_csv(folder / "wine.csv")
    run = isthmus.train(folder / "wine.csv", out=folder / "run", **tiny.FAST)
    (folder / "wine.csv").unlink()
    return Run(run.path)


def answer(path: Path, given: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(path)
    return session.run(None, {session.get_inputs()[0].name: given})[0]


def test_three_files_do_what_the_model_does(exported: Export, denoiser: Run, digits: tiny.Digits) -> None:
    assert [file.path.name for file in exported.files] == NAMES
    assert [file.part for file in exported.files] == ["whole", "encoder", "decoder"]
    whole, encoder, decoder = (file.path for file in exported.files)
    x, model = digits.x[200:300], denoiser.model
    z = model.encode(x)
    assert_allclose(answer(encoder, x), z, atol=1e-4)  # float32 sums in another order
    assert np.abs(answer(decoder, z).astype(int) - model.decode(z)).max() <= 1
    assert np.abs(answer(whole, x).astype(int) - model.reconstruct(x)).max() <= 1
    assert answer(encoder, x[:1]).shape == (1, 4)


def test_the_differences_are_told(exported: Export) -> None:
    assert exported.said == ()
    assert exported.as_dict()["opset"] == graphs.OPSET
    for file in exported.files:
        assert 0 <= file.difference <= file.tolerance
        assert (file.n, file.n_apart) == (20, 0)  # a tenth of 200 images
    forms = [(file.takes, file.gives) for file in exported.files]
    assert forms[0] == ("uint8 (batch, 1, 28, 28)", "uint8 (batch, 1, 28, 28)")
    assert forms[1:] == [(forms[0][0], "float32 (batch, 4)"), ("float32 (batch, 4)", forms[0][1])]


def test_the_file_tells_what_it_is(exported: Export) -> None:
    found = {p.key: p.value for p in onnx.load(exported.files[1].path).metadata_props}
    assert found["part"] == "encoder"
    assert (found["isthmus"], found["recipe"], found["z_size"]) == (isthmus.__version__, "modern", "4")
    assert (found["shape"], found["columns"], found["noise"]) == ("[1, 28, 28]", "null", "gaussian:0.5")


def test_a_table_without_its_data_by_command(wine: Run, tmp_path: Path, capfd: Any) -> None:
    out = tmp_path / "new" / "wine.onnx"
    assert run_guarded(build_app(), ["export", str(wine.path), "-o", str(out), "--json"]) == 0
    told, aside = capfd.readouterr()
    found = json.loads(told)
    assert [file["part"] for file in found["files"]] == ["whole", "encoder", "decoder"]
    assert all(0 <= file["difference"] <= file["tolerance"] for file in found["files"])
    assert "compared on random values, because the run's data is not available" in aside
    assert f"note: the folder {out.parent} did not exist and was created" in aside
    x = tiny.table(9, seed=1) * 5 + 20
    assert_allclose(answer(out, x), wine.model.reconstruct(x), rtol=1e-4)
    columns = {p.key: p.value for p in onnx.load(out).metadata_props}["columns"]
    assert json.loads(columns) == ["c0", "c1", "c2", "c3", "c4", "c5"]


def test_people_read_a_line_a_file(wine: Run, tmp_path: Path, capfd: Any) -> None:
    assert run_guarded(build_app(), ["export", str(wine.path), "-o", str(tmp_path / "m.onnx")]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].startswith("note: compared on random values")
    assert lines[1].startswith(f"{tmp_path / 'm.onnx'}: whole, float32 (batch, 6) -> float32 (batch, 6), largest diff")
    assert lines[-1] == f"opset {graphs.OPSET}; each compared with the model on 256 samples"


def test_a_module_with_only_forward_has_one_file(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 6))
    settings = {k: v for k, v in tiny.FAST.items() if k not in {"hidden", "z_size"}}
    run = isthmus.fit(module, tiny.table(60), out=tmp_path / "run", **settings)
    found = export(run, tmp_path / "m.onnx")
    assert [file.part for file in found.files] == ["whole"]
    assert found.said[-1] == "the network has no code, so no encoder or decoder is exported"
    assert [path.name for path in tmp_path.glob("*.onnx")] == ["m.onnx"]


def test_a_network_without_a_code_for_images_of_any_size_has_one_file(tmp_path: Path) -> None:
    for i in range(4):
        x = np.random.default_rng(i).integers(0, 256, (32, 32), np.uint8)
        Image.fromarray(x).save(tmp_path / f"{i}.png")
    settings = {"recipe": "photo", "noise": "gaussian:0.2", "patch": 32, "hidden": [8, 16], "batch_size": 2}
    run = isthmus.train(tmp_path, out=tmp_path.parent / "run-photo", epochs=1, threads=1, show=False, **settings)
    (file,) = export(run, tmp_path.parent / "photo.onnx").files
    x = np.random.default_rng(9).integers(0, 256, (5, 1, 32, 32), np.uint8)
    assert np.abs(answer(file.path, x).astype(int) - run.model.reconstruct(x)).max() <= 1


def test_another_suffix_is_refused(denoiser: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"m\.pt does not end in \.onnx\.\nfix: name it .*m\.onnx"):
        export(denoiser, tmp_path / "m.pt")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"\. does not end in \.onnx\.\nfix: name it model\.onnx"):
        export(denoiser, ".")


def test_without_the_extra_the_command_ends_with_2(
    denoiser: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setattr(graphs, "find_spec", lambda name: None)
    assert run_guarded(build_app(), ["export", str(denoiser.path), "-o", str(tmp_path / "m.onnx")]) == 2
    assert f"fix: {installing('onnx')}\n" in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_does_not_do_the_same_is_not_written(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoder's graph gets one weight wrong."""
    honest = graphs.Whole.forward
    monkeypatch.setattr(graphs.Whole, "forward", lambda self, x: 255 - honest(self, x))
    with pytest.raises(ModelFileError, match=r"the whole as ONNX gives different results than the model: it differs"):
        export(Run(copy), tmp_path / "m.onnx")
    assert list(tmp_path.glob("*.onnx")) == []


def difference(found: Any, expected: Any, *, quantized: bool = False) -> tuple[float, float, int]:
    found, expected = np.asarray(found), np.asarray(expected)
    file = compared("encoder", Path("m.onnx"), expected, expected, found, quantized=quantized)
    return file.difference, file.tolerance, file.n_apart


def test_tolerances() -> None:
    ones = np.ones((100, 2), dtype=np.float32)
    assert difference(ones + np.float32(1e-5), ones)[1] == TOLERANCE
    assert difference(50 * ones, 50 * ones) == (0.0, 50 * TOLERANCE, 0)  # relative to the largest value
    gray = np.full((100, 2), 7, dtype=np.uint8)
    assert difference(gray + np.uint8(1), gray) == (1.0, ONE_LEVEL, 0)
    with pytest.raises(ModelFileError, match="by up to 2 in 100 of 100 samples"):
        difference(gray + np.uint8(2), gray)
    with pytest.raises(ModelFileError, match="by up to nan in 1 of 100"):
        difference(np.where(np.arange(200).reshape(100, 2) == 3, np.float32("nan"), ones), ones)
    with pytest.raises(ModelFileError, match=r"it returns float32 \(batch, 1\), the model float32 \(batch, 2\)"):
        difference(ones[:, :1], ones)


def test_one_quantized_code_in_a_hundred_may_fall_to_the_other_side() -> None:
    codes = np.zeros((100, 2), dtype=np.float32)
    other = codes.copy()
    other[0] = 0.5
    assert difference(other, codes, quantized=True) == (0.5, TOLERANCE, 1)
    with pytest.raises(ModelFileError, match=r"by up to 0\.5 in 1 of 100"):
        difference(other, codes)
    other[1] = 0.5
    with pytest.raises(ModelFileError, match=r"by up to 0\.5 in 2 of 100"):
        difference(other, codes, quantized=True)


def test_a_moved_run_is_exported_all_the_same(copy: Path, tmp_path: Path) -> None:
    """Nothing of where it was trained is asked for but its data."""
    moved = Path(shutil.move(copy, tmp_path / "moved"))
    before = sorted(p.relative_to(moved) for p in moved.rglob("*"))
    export(Run(moved), tmp_path / "m.onnx")
    assert_array_equal(sorted(p.relative_to(moved) for p in moved.rglob("*")), before)


def test_cells_on_a_border_may_differ_and_no_others(tmp_path: Path) -> None:
    """Rows of several kinds: one cell of a hundred, or a single one; each column on its own scale."""
    rng = np.random.default_rng(0)
    expected = np.c_[rng.integers(0, 4, 40), rng.normal(size=40), 1.7e9 + rng.integers(0, 9, 40) * 86_400.0]
    without_border_cells("whole", tmp_path / "m.onnx", expected, expected + np.array([0, 1e-6, 0]))
    for column, change, n in ((0, 1.0, 1), (2, 3.0, 40)):  # three seconds are a rounding of a time in float32
        found = expected.copy()
        found[:n, column] += change
        kept = without_border_cells("whole", tmp_path / "m.onnx", expected, found)
        assert_array_equal(kept, expected if n == 1 else found)
    found = expected.copy()
    found[:5, 0] += 1
    with pytest.raises(ModelFileError, match="5 of 120 cells differ"):
        without_border_cells("whole", tmp_path / "m.onnx", expected, found)
    with pytest.raises(ModelFileError, match="it returns float64"):
        without_border_cells("whole", tmp_path / "m.onnx", expected, expected[:, :2])


def test_columns_of_several_kinds_do_the_same_to_rounding(tmp_path: Path) -> None:
    """Years vary little beside their size, so a constant in float32 showed as 7e-4 in the code; times have cycles."""
    i = np.arange(120)
    frame = pl.DataFrame({
        "year": 2007 + i % 3, "name": np.array(["a", "b", "c"])[i % 3], "size": (i % 7) * 0.5,
        "at": [f"2024-{1 + k % 12:02}-{1 + k % 28:02} {k % 24:02}:30" for k in i],
    })  # fmt: skip
    frame.write_csv(tmp_path / "t.csv")
    run = isthmus.train(tmp_path / "t.csv", out=tmp_path / "run", **tiny.FAST)
    found = {file.part: file for file in export(run, tmp_path / "m.onnx").files}
    assert found["encoder"].difference < 2e-5  # float32, in codes of a few units
    assert set(found) == {"whole", "encoder", "decoder"}
