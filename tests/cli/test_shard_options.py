"""Commands that take many files: which runs they accept, and what they print."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded


def test_only_denoise_takes_photo_for_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other commands need a run that was trained here; photo would have denoised the files without a word."""
    (tmp_path / "parts").mkdir()
    np.save(tmp_path / "parts" / "a.npy", np.zeros((1, 16, 16), np.uint8))
    for command in ("encode", "reconstruct", "score", "impute"):
        given = [command, "photo", str(tmp_path / "parts"), "-o", str(tmp_path / "out")]
        assert run_guarded(build_app(), given) == 2
        assert "there is no run photo" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_was_filled_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    table = pl.DataFrame({"a": rng.normal(size=80).round(2), "b": rng.choice(["x", "y"], 80)})
    isthmus.train(table, out=tmp_path / "run", epochs=1, threads=1, seed=0, show=False)
    (tmp_path / "parts").mkdir()
    for i in range(2):
        rows = table.slice(10 * i, 10).with_columns(b=pl.when(pl.int_range(10) > i).then(pl.col("b")))
        rows.write_csv(tmp_path / "parts" / f"{i}.csv")
    given = ["impute", str(tmp_path / "run"), str(tmp_path / "parts"), "-o", str(tmp_path / "out"), "--workers", "1"]
    assert run_guarded(build_app(), given) == 0
    printed = capsys.readouterr()
    assert f"20 samples of 2 shards, 3 missing values filled, written to {tmp_path / 'out'}" in printed.out
    assert '3 cells of column "b" filled: ' in printed.out
    assert run_guarded(build_app(), [*given, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["left"], found["filled"]) == (2, {"b": 3})
    assert {name: about["filled"] for name, about in found["by_shard"].items()} == {
        "0.csv": {"b": 1},
        "1.csv": {"b": 2},
    }
    given[2:5:2] = [str(tmp_path / "parts" / "0.csv"), str(tmp_path / "full.csv")]
    assert run_guarded(build_app(), given) == 2
    assert "fix: leave out --workers\n" in capsys.readouterr().err  # --shards would not help
