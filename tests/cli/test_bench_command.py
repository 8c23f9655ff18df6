"""`isthmus bench`: all that is installed runs, ratios are those of the turns, and a rival that fails is told."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
import torch

from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded
from isthmus.tools.bench import contest
from isthmus.tools.bench.contest import Contest, Speed, bench
from isthmus.tools.bench.loops import WIDTHS, network
from isthmus.tools.bench.rivals import RIVALS, Rival


def test_all_that_is_installed_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_guarded(build_app("bench"), ["bench", "--rounds", "1", "--images", "640", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found)[:3] == ["floor", "ours", "rivals"]
    there = {rival.name for rival in RIVALS if importlib.util.find_spec(rival.module)} | {"plain loop, DataLoader"}
    assert set(found["rivals"]) == there
    assert "scikit-learn's MLPRegressor" in there
    for block in (found["floor"], found["ours"], *found["rivals"].values()):
        assert "failed" not in block
        assert block["ratio"] == pytest.approx(
            block["images_per_second"] / found["ours"]["images_per_second"], abs=1e-3
        )


def test_a_rival_that_fails_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(flat: np.ndarray) -> float:
        raise ImportError("no module named parts\nsecond line")

    monkeypatch.setattr(
        contest, "RIVALS", (Rival("Broken", "json", broken), Rival("Absent", "no_such_package", broken))
    )
    found = bench(rounds=2, images=640)
    assert found.speeds["Broken"] == Speed((), "ImportError: no module named parts")
    assert "Absent" not in found.speeds
    assert [len(found.speeds[name].turns) for name in ("floor", "isthmus")] == [2, 2]


def test_a_ratio_is_the_median_of_those_within_a_turn() -> None:
    speeds = {"isthmus": Speed((100.0, 10.0, 50.0)), "floor": Speed((300.0, 40.0, 100.0))}
    found = Contest("float32", 1, speeds).as_dict()
    assert found["floor"] == {"images_per_second": 100.0, "ratio": 3.0}  # of 3, 4 and 2
    assert found["ours"] == {"images_per_second": 50.0, "ratio": 1.0}


def test_the_network_is_the_notebooks() -> None:
    layers = [layer for layer in network() if isinstance(layer, torch.nn.Linear)]
    assert (layers[0].in_features, *(layer.out_features for layer in layers)) == WIDTHS
