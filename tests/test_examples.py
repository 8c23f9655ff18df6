"""Every program in `examples/` runs as a reader would run it, and writes the files that it announces."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import polars as pl
import pytest
from nbclient import NotebookClient
from PIL import Image

EXAMPLES = Path(__file__).parents[1] / "examples"


def run_example(name: str, folder: Path, *arguments: str) -> str:
    """The output of `python examples/NAME` in `folder`."""
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def metrics_of(run: Path) -> dict:
    return json.loads((run / "metrics.json").read_text("utf-8"))


def png_size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        assert image.format == "PNG"
        return image.size


def test_every_example_is_tested() -> None:
    text = "".join(Path(__file__).with_name(f"test_{name}.py").read_text("utf-8") for name in ("examples", "docs"))
    assert {p.name for p in EXAMPLES.glob("*.py") if f'"{p.name}"' not in text} == set()


def test_photograph(tmp_path: Path) -> None:
    told = run_example("photograph.py", tmp_path)
    before, after = map(int, re.findall(r"(\d+) (?:before|after)", told))
    assert after < before / 4  # 6 dB
    assert png_size(tmp_path / "photograph.png") == (3 * 288, 192)
    Image.fromarray(np.random.default_rng(0).integers(256, size=(40, 30, 3)).astype(np.uint8)).save(tmp_path / "a.jpg")
    run_example("photograph.py", tmp_path, "a.jpg")
    assert png_size(tmp_path / "photograph.png") == (90, 40)


def test_series(tmp_path: Path) -> None:
    told = run_example("series.py", tmp_path)
    strange = re.findall(r"strange: \('([^']+)'", told)
    spike = "2024-01-13 12:00"  # hour 300
    flat = [f"2024-01-30 {hour:02}:00" for hour in range(4, 16)]  # hours 700 to 711
    assert spike in strange
    assert {*strange} <= {spike, *flat}
    errors = dict(re.findall(r"filled by (\w+): squared error ([\d.]+)", told))
    assert float(errors["model"]) < float(errors["last"])
    assert "gaps: 10 before, 0 after" in told


def test_orders(tmp_path: Path) -> None:
    told = run_example("orders.py", tmp_path)
    assert "strangest: row 40" in told
    assert "gaps: 45 before, 0 after" in told
    for filled, truly in re.findall(r"costs ([\d.]+), truly ([\d.]+)", told):
        assert abs(float(filled) - float(truly)) < 2  # a few epochs; the mean of all is off by 4 for rum
    before, after = map(float, re.findall(r"price ([\d.]+) -> ([\d.]+)", told)[0])
    assert after > before


def test_microscope(tmp_path: Path) -> None:
    told = run_example("microscope.py", tmp_path)
    pairs, alone, noisy = map(int, re.findall(r"(?:error|are:) (\d+)(?: counts)", told))
    assert noisy == pytest.approx(100, abs=3)
    assert pairs < 50  # 6 dB
    assert alone < 70
    for run in ("pairs", "noisy-alone"):
        assert metrics_of(tmp_path / "runs" / run)["verdicts"]
    assert "denoising" in metrics_of(tmp_path / "runs" / "pairs")


def test_lesson(tmp_path: Path) -> None:
    told = run_example("lesson.py", tmp_path)
    plain, denoiser = tmp_path / "runs" / "lesson", tmp_path / "runs" / "lesson-denoiser"
    found = metrics_of(plain)
    assert found["test"]["mse"] < found["baselines"]["pca"]["mse"]
    assert [v["id"] for v in found["verdicts"] if v["level"] == "fail"] == []
    quality = metrics_of(denoiser)["denoising"]
    assert quality["denoised"]["psnr_db"] > quality["baselines"]["median"]["psnr_db"] + 1
    assert f"denoised {quality['denoised']['psnr_db']:.1f} dB" in told
    for path in (plain / "sanity.png", denoiser / "denoising.png"):
        width, height = png_size(path)
        assert width > 2 * height  # ten columns, four rows at most
    assert len((plain / "history.csv").read_text("utf-8").splitlines()) == 1 + 10


def test_notebook_is_the_lesson(tmp_path: Path) -> None:
    run_example("make_notebook.py", tmp_path, "-o", "again.ipynb")
    assert (tmp_path / "again.ipynb").read_text("utf-8") == (EXAMPLES / "lesson.ipynb").read_text("utf-8")
    notebook = nbformat.read(EXAMPLES / "lesson.ipynb", as_version=4)
    script = (EXAMPLES / "lesson.py").read_text("utf-8")
    cells = [c.source for c in notebook.cells if c.cell_type == "code"]
    assert len(cells) == len(re.findall(r"^# %%", script, flags=re.MULTILINE))
    stripped = re.sub(r'^""".*?"""|^# %%.*$', "", script, flags=re.MULTILINE)
    assert "\n".join(cells).split() == stripped.split()
    assert [c.outputs for c in notebook.cells if c.cell_type == "code" and c.outputs] == []


@pytest.mark.filterwarnings("ignore:Kernel is running over TCP:UserWarning", "ignore::ResourceWarning")
def test_notebook_runs_and_shows_its_pictures(tmp_path: Path) -> None:
    text = (EXAMPLES / "lesson.ipynb").read_text("utf-8")
    assert text.count('\\"epochs\\": 10') == 1  # the lesson's numbers are tested above; two epochs show its pictures
    notebook = nbformat.reads(text.replace('\\"epochs\\": 10', '\\"epochs\\": 2'), as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = {c.source.split()[0]: sum("image/png" in o.get("data", {}) for o in c.outputs) for c in code}
    assert shown["run"] == shown["denoiser"] == 1  # the live curve, redrawn in place
    assert shown["digits"] == shown["quality"] == 1  # sanity.png and denoising.png
    assert (tmp_path / "runs" / "lesson-denoiser" / "denoising.png").is_file()


def test_own_module(tmp_path: Path) -> None:
    told = run_example("own_module.py", tmp_path)
    assert "(5, 32) uint8" in told
    found = metrics_of(tmp_path / "runs" / "own")
    assert found["parameters"] == 2 * (784 * 512 + 512 * 256 + 256 * 32) + 2 * (512 + 256) + 32 + 784
    assert found["test"]["mse"] < 0.7 * found["baselines"]["mean"]["mse"]
    record = json.loads((tmp_path / "runs" / "own" / "run.json").read_text("utf-8"))
    assert record["module"] == "Autoencoder"


def test_own_loop(tmp_path: Path) -> None:
    told = run_example("own_loop.py", tmp_path)
    with (tmp_path / "runs" / "own-loop" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    costs = [float(row["validation_cost"]) for row in rows]
    assert costs[-1] < costs[0] / 1.5
    assert f"best epoch {1 + int(np.argmin(costs))} of {len(rows)}, cost {min(costs):.4f}" in told
    assert png_size(tmp_path / "runs" / "own-loop" / "curves.png") > (0, 0)
    assert (tmp_path / "runs" / "own-loop" / "checkpoint" / "latest").is_file()


def test_table(tmp_path: Path) -> None:
    told = run_example("table.py", tmp_path)
    found = metrics_of(tmp_path / "runs" / "wine")
    assert found["data"]["shape"] == [13]
    assert found["test"]["mse"] < found["baselines"]["mean"]["mse"]
    assert "alcohol" in told
    with (tmp_path / "runs" / "wine" / "worst.csv").open() as file:
        assert {"id", "mse", "worst_column", "alcohol"} <= set(csv.DictReader(file).fieldnames or ())


def test_folder(tmp_path: Path) -> None:
    run_example("folder.py", tmp_path)
    codes = pl.read_csv(tmp_path / "runs" / "shapes.csv")
    assert codes.columns == ["id", "label", "z0", "z1", "z2", "z3"]
    assert codes["label"].value_counts().sort("label").rows() == [("disc", 60), ("square", 60)]
    name = codes["id"][0]
    original, again = tmp_path / "runs" / "shapes" / name, tmp_path / "runs" / "shapes-again" / name
    assert png_size(original) == png_size(again) == (24, 24)
    error = np.asarray(Image.open(original), float) / 255 - np.asarray(Image.open(again), float) / 255
    assert (error**2).mean() < 0.02  # the shapes differ in place only; the mean image of them has 0.12


def test_scikit_learn(tmp_path: Path) -> None:
    told = run_example("scikit_learn.py", tmp_path)
    accuracy = re.search(r"accuracy on other wines (\d\.\d\d)", told)
    assert accuracy is not None
    assert float(accuracy[1]) > 0.8  # one of three kinds by chance: 0.4
    assert "alcohol" in told
    usual, reversed_ = (float(score) for score in re.findall(r"mean score (-\d+\.\d+)", told))
    assert reversed_ < usual < 0  # larger is more normal
    assert list(tmp_path.iterdir()) == []
