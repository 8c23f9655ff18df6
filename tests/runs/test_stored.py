from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import isthmus
from isthmus.api import Run
from isthmus.errors import ModelFileError, UsageError
from isthmus.runs.finding import find, look_for_runs
from isthmus.runs.stored import blaming, is_vouched, read_history, read_metrics, read_record
from isthmus.system.checksums import write_text

WHOLE = {
    "format": 1,
    "data": {"shape": [1, 28, 28]},
    "test": {"mse": 0.5},
    "baselines": {"pca": {"mse": 0.25}},
    "verdicts": [{"id": "a", "level": "pass", "text": "b"}],
}
ODD = [
    {"data": None},
    {"data": {"shape": None}},
    {"data": {"shape": []}},
    {"data": {"shape": [True]}},
    {"test": None},
    {"baselines": None},
    {"baselines": {"pca": None}},
    {"verdicts": None},
    {"verdicts": [None]},
    {"verdicts": [{"id": "a", "level": None, "text": "b"}]},
    {"format": None},
    {"format": 1.5},
    {"format": "1"},
]
HISTORIES = {
    "epoch,a\n1,x\n": "line 2: could not convert string to float: 'x'",
    "epoch,a\n1,2,3\n": "line 2: 3 cells for 2 columns",
    "epoch,a\n1\n": "line 2: 1 cell for 2 columns",
    "epoch\n1,2\n": "line 2: 2 cells for 1 column\\.",
    "epoch,a\n1,0.5\n3,0.5\n": "line 3: epoch 3 where 2 should be",
    "epoch,a\nx,0.5\n": "line 2: invalid literal",
    "epoc,a\n1,0.5\n": "line 1: the header has no epoch column",
    "epoch,a,a\n1,0,0\n": "line 1: .* or a column twice",
    'epoch,a\n1,"0.5\n': "line 1: unexpected end of data",
    "": "line 1: it is empty",
}


@pytest.mark.parametrize("odd", ODD, ids=json.dumps)
def test_fault_120_metrics_with_nulls_or_other_types_are_named(odd: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(WHOLE))
    assert read_metrics(path) == WHOLE
    path.write_text(json.dumps(WHOLE | odd))
    with pytest.raises(ModelFileError, match=r"metrics\.json cannot be read: ") as caught:
        read_metrics(path)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("text", ['{"format": Infinity}', '{"format": 1e999}', "[" * 9_999 + "]" * 9_999, "[]", "\xff"])
def test_fault_120_a_record_that_is_none_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelFileError, match=r"run\.json cannot be read: "):
        read_record(tmp_path / "run.json")


@pytest.mark.parametrize(("text", "told"), HISTORIES.items())
def test_fault_120_a_broken_history_is_named_with_its_line(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(ModelFileError, match=rf"history\.csv cannot be read: {told}"):
        read_history(tmp_path / "history.csv")


def test_fault_120_every_flipped_bit_of_a_history_is_an_error_or_numbers(tmp_path: Path) -> None:
    path, whole = tmp_path / "history.csv", b"epoch,train_cost,lr\n1,0.5,1e-3\n2,,0.001\n"
    told = []
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            assert [row["epoch"] for row in read_history(path)] == [1, 2]
        except ModelFileError as error:
            told.append(error.code)
    assert set(told) == {"RUN-FILE"}
    assert len(told) > 100


def test_fault_121_what_a_manifest_vouches_for_is_never_blamed(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    assert not is_vouched(tmp_path)
    told = r"run\.json does not have the contents that isthmus writes \(KeyError: 'mse'\)"
    with pytest.raises(ModelFileError, match=told), blaming(tmp_path):
        _ = {}["mse"]
    write_text(tmp_path / "run.json", "{}")
    assert is_vouched(tmp_path)
    with pytest.raises(KeyError), blaming(tmp_path):
        _ = {}["mse"]


def test_fault_121_a_finished_run_is_vouched_for_and_a_changed_digit_is_seen(copy: Path) -> None:
    assert is_vouched(copy)
    Run(copy).refuse_broken()
    for name in ("run.json", "metrics.json", "history.csv"):
        text = (copy / name).read_text()
        place = next(i for i, c in enumerate(text) if c.isdigit())
        (copy / name).write_text(text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :])
        with pytest.raises(ModelFileError, match=rf"{name} was changed after isthmus wrote it"):
            Run(copy).refuse_broken()
        (copy / name).write_text(text)
    Run(copy).refuse_broken()


def test_fault_121_edited_settings_are_told_and_allowed(copy: Path) -> None:
    run = Run(copy)
    assert not run.is_edited
    text = (copy / "config.toml").read_text()
    (copy / "config.toml").write_text(f"# mine\n{text}")
    assert run.is_edited
    assert run.config.model.z_size == 4
    (copy / "config.toml").write_text(f"# mine\n{text.replace('z_size = 4', 'z_size = 5')}")
    with pytest.raises(UsageError, match="changed since the run began"):
        isthmus.resume(copy, epochs=4, show=False)
    assert run.is_edited
    (copy / "config.toml").write_text(f"# mine\n{text.replace('epochs = 3', 'epochs = 4')}")
    assert len(isthmus.resume(copy, show=False).history) == 4
    assert not Run(copy).is_edited  # the resume has written them again
    assert is_vouched(copy)


def test_a_run_folder_is_loaded_as_a_run_and_a_model_folder_as_a_model(copy: Path) -> None:
    assert isthmus.load(copy).z_size == isthmus.load(copy / "model").z_size == 4


def test_fault_99_a_broken_run_is_told_and_the_others_are_listed(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(copy, tmp_path / "runs" / "whole")
    for name in ("pipe", "link", "folder", "text"):
        (tmp_path / "runs" / name).mkdir()
    os.mkfifo(tmp_path / "runs" / "pipe" / "run.json")
    (tmp_path / "runs" / "link" / "run.json").symlink_to("/dev/zero")
    (tmp_path / "runs" / "folder" / "run.json").mkdir()
    (tmp_path / "runs" / "text" / "run.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(copy)
    found = look_for_runs()
    assert [run.path for run in found.runs] == [Path("runs/whole")]
    assert {path.name for path in found.broken} == {"pipe", "link", "folder", "text"}
    assert all("run.json" in error.message for error in found.broken.values())


def test_fault_99_a_run_folder_that_may_not_be_entered_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ModelFileError, match=r"closed cannot be read: Permission denied\.") as caught:
        find(tmp_path / "closed")
    assert (caught.value.exit_code, caught.value.fix) == (4, "give yourself read permission")
