"""One broken run among others: whatever stands where a file of it should be, the commands and the app go on."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import isthmus
import run_fuzz
import tiny
from run_fuzz import CONTENT, KINDS, cut, faults, flip, other, paths_of, tries

LONG = os.environ.get("ISTHMUS_LONG") == "1"
BRIEF: dict[str, Any] = tiny.FAST | {"epochs": 2}
SHORT = {"run.json", "metrics.json", "history.csv", "config.toml", "MANIFEST.json"}  # whose content is tried always


def plain() -> None:
    """A run without much in it, so that a report takes no second."""
    isthmus.train(tiny.table(60), out="runs/a", **BRIEF)


def mixed() -> None:
    """A run on a table whose columns are of several kinds."""
    rng = np.random.default_rng(0)
    lines = [
        f"{rng.choice(['tea', 'rum'])},{rng.integers(9)},{rng.random():.2f},2025-01-{i % 28 + 1:02d}" for i in range(60)
    ]
    Path("sales.csv").write_text("\n".join(["what,number,price,day", *lines]) + "\n")
    isthmus.train("sales.csv", out="runs/a", **BRIEF)


def photo() -> None:
    """A run of a denoiser, which has no code."""
    Path("photos").mkdir()
    for i in range(8):
        shade = np.indices((40, 48)).sum(0) * (i + 1) % 256
        Image.fromarray(shade.astype(np.uint8)).save(f"photos/{i}.png")
    settings: dict[str, Any] = {"recipe": "photo", "steps": 2, "hidden": [4, 8], "show": False, "threads": 1}
    isthmus.train("photos", out="runs/a", **settings)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A folder with a whole run `runs/a`."""
    monkeypatch.chdir(tmp_path)
    getattr(request, "param", plain)()
    return tmp_path


@pytest.mark.long
@pytest.mark.parametrize("home", [plain, *[mixed, photo] * LONG], indirect=True, ids=lambda make: make.__name__)
@pytest.mark.parametrize("summed", [True, False], ids=["with a manifest", "of an older version"])
def test_fault_96_99_120_no_file_of_a_run_stops_another_run_or_a_command(home: Path, summed: bool) -> None:
    whole = Path(shutil.copytree("runs/a", home / "whole"))
    if not summed:
        (whole / "MANIFEST.json").unlink()
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for name in paths_of(whole):
        if LONG or name in SHORT:
            times = dict.fromkeys(CONTENT + KINDS, 1) | (
                {flip: 25, cut: 10, other: 25} if LONG and name in SHORT else {}
            )
            for change in tries(whole, home / "runs" / "b", name, times):
                wrong += faults(name, change, home / "runs" / "b", counts, summed=summed)
    print(dict(sorted(counts.items())))  # shown with -s, for docs/reliability.md
    assert wrong == []
    assert counts["runs 0"] > 30
    assert counts["app 409"] > 0  # an error with the file's name, and not only a page that says nothing


def test_the_harness_itself_knows_what_hangs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TimeoutError), run_fuzz.within(1):
        (tmp_path / "pipe").read_bytes()
