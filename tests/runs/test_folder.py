from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import torch

import isthmus
import tiny
from isthmus.api import Run
from isthmus.errors import FolderInUseError, ModelFileError, ResourceError, UsageError
from isthmus.runs import folder
from isthmus.runs.finding import find, list_runs, new_folder

NAMES = ["with spaces", "quote'\"s", "new\nline", "日本語 ñ", "-rf", "a.b.c", "$HOME;ls", "é" * 100]


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def made(path: str | Path, started: str = "2026-01-01", **values: object) -> Path:
    Path(path).mkdir(parents=True, exist_ok=True)
    Run(path).write_record(format=1, started=started, **values)
    return Path(path)


def test_folders_are_numbered_and_never_taken_twice() -> None:
    names = [new_folder(None, "mnist-2k-modern").as_posix() for _ in range(3)]
    assert names == [f"runs/mnist-2k-modern-{i}" for i in (1, 2, 3)]
    Path("runs/mnist-2k-modern-12").mkdir()
    Path("runs/mnist-2k-modern-x").mkdir()
    assert new_folder(None, "mnist-2k-modern").name == "mnist-2k-modern-13"
    assert new_folder(None, "mnist").name == "mnist-1"


@pytest.mark.parametrize("name", [*NAMES, "emnist/letters", "../../etc", "", "...", "x" * 300, "日" * 300, "a*[b]?"])
def test_fault_66_any_name_of_data_makes_a_folder_under_runs(name: str) -> None:
    path = new_folder(None, name)
    assert path.is_dir()
    assert path.parent == Path("runs")
    assert not path.name.startswith((".", "-"))
    assert re.fullmatch(r"[\w.-]+-1", path.name)
    assert new_folder(None, name).name.endswith("-2")


def test_fault_58_a_folder_that_holds_something_is_refused_and_left_alone() -> None:
    Path("mine").mkdir()
    assert new_folder("mine", "x") == Path("mine")  # empty is as good as new
    Path("mine/.lock").write_text("")
    assert new_folder("mine", "x") == Path("mine")  # what an error before training leaves
    Path("mine/thesis.txt").write_text("the only copy")
    with pytest.raises(FolderInUseError, match="mine exists and is not empty") as caught:
        new_folder("mine", "x")
    assert caught.value.exit_code == 7
    assert caught.value.fix == "name another folder with --out"  # there is no run to continue
    assert Path("mine/thesis.txt").read_text() == "the only copy"
    Path("file").write_text("")
    with pytest.raises(FolderInUseError, match="file exists and is not a folder"):
        new_folder("file", "x")


def test_fault_58_the_way_to_go_on_can_be_pasted_into_a_shell() -> None:
    Path("my run").mkdir()
    Path("my run/run.json").write_text("")
    with pytest.raises(FolderInUseError) as caught:
        new_folder("my run", "x")
    assert "isthmus resume 'my run'" in str(caught.value.fix)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_fault_53_a_folder_that_may_not_be_made_is_named() -> None:
    Path("runs").mkdir(mode=0o500)
    with pytest.raises(ResourceError, match="cannot be written: Permission denied"):
        new_folder(None, "x")


def test_a_file_named_runs_is_told_as_such() -> None:
    Path("runs").write_text("")
    with pytest.raises(ResourceError, match=r"runs/x-1 cannot be written"):
        new_folder(None, "x")


def test_runs_are_found_by_path_by_name_and_as_latest() -> None:
    first, second = made("runs/a-1", "2026-01-01T10"), made("elsewhere/b", "2026-01-01T11")
    made("c", "2026-01-01T09")
    assert find("runs/a-1").path == find("a-1").path == first
    assert find(second).path == second
    assert [run.path.name for run in list_runs()] == ["c", "a-1"]
    assert find("latest").path == first


def test_no_runs_and_unknown_runs_say_what_there_is() -> None:
    with pytest.raises(UsageError, match="there are no runs") as caught:
        find("latest")
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match=r"there is no run nowhere, neither as a folder nor in runs/\.") as caught:
        find("nowhere")
    assert "isthmus train" in str(caught.value.fix)
    made("runs/a-1")
    Path("nowhere").mkdir()
    with pytest.raises(UsageError, match=r"nowhere is not a run folder \(it has no run.json\)") as caught:
        find("nowhere")
    assert caught.value.fix == "use one of: a-1, or latest"


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".PT", ".bin"])
def test_fault_62_pickles_are_refused_unopened(suffix: str) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return os.mkdir, ("exploded",)

    path = Path(f"model{suffix}")
    torch.save(Bomb(), path)
    for open_it in (find, isthmus.load):
        with pytest.raises(ModelFileError, match="can run arbitrary code, so isthmus never does") as caught:
            open_it(path)
        assert caught.value.exit_code == 4
    assert not Path("exploded").exists()


def test_other_files_are_no_runs() -> None:
    Path("a.txt").write_text("text")
    with pytest.raises(ModelFileError, match=r"a\.txt is a file, not a run folder"):
        find("a.txt")


def test_one_broken_folder_does_not_hide_the_others() -> None:
    made("runs/a-1", "2026-01-01")
    for name, text in (("b", "{"), ("c", "[]"), ("d", '"x"'), ("e", '{"format": "x"}'), ("f", '{"format": null}')):
        Path(f"runs/{name}").mkdir()
        Path(f"runs/{name}/run.json").write_text(text)
    assert [run.path.name for run in list_runs()] == ["a-1"]
    assert find("latest").path.name == "a-1"
    with pytest.raises(ModelFileError, match=r"run\.json cannot be read"):
        _ = Run("runs/b").record


def test_fault_63_a_run_of_a_newer_version_says_so() -> None:
    Path("runs/a-1").mkdir(parents=True)
    Path("runs/a-1/run.json").write_text('{"format": 9}')
    with pytest.raises(
        ModelFileError, match=r"run\.json was written by a newer version of isthmus, in format 9; .* reads up to 1"
    ):
        _ = find("runs/a-1").record


def test_a_record_grows_and_keeps_what_it_had() -> None:
    run = Run(made("runs/a-1", seed=3))
    run.write_record(ended="budget", seconds=float("nan"))
    found = json.loads(Path("runs/a-1/run.json").read_text())
    assert (found["seed"], found["ended"], found["seconds"]) == (3, "budget", None)
    assert run.record["ended"] == "budget"


def test_history_is_read_as_numbers() -> None:
    made("runs/a-1")
    Path("runs/a-1/history.csv").write_text("epoch,train_cost,lr\n1,0.30000000000000004,0.1\n2,,0.2\n")
    first, second = Run("runs/a-1").history
    assert first == {"epoch": 1, "train_cost": 0.30000000000000004, "lr": 0.1}
    assert isinstance(first["epoch"], int)
    assert second["train_cost"] != second["train_cost"]
    assert Run(made("runs/b-1")).history == []
    assert Run("runs/b-1").metrics == {}


def test_a_run_without_a_model_says_how_to_get_one() -> None:
    made("runs/a b")
    for ask in (lambda: find("runs/a b").model, lambda: isthmus.load("runs/a b")):
        with pytest.raises(ModelFileError, match="has no trained model yet") as caught:
            ask()
        assert "isthmus resume 'runs/a b'" in str(caught.value.fix)


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(ResourceError, match=f"PyTorch finds no {device} device") as caught:
        isthmus.load("photo", device=device)
    assert (caught.value.code, caught.value.fix) == ("RESOURCE-DEVICE", 'pass device="cpu"')


def test_a_model_loads_from_its_run_and_from_its_own_folder() -> None:
    model = tiny.trainer(tiny.prepared(tiny.table())).model
    model.save(made("runs/a-1") / folder.MODEL)
    for path in ("runs/a-1", "a-1", "latest", "runs/a-1/model", Path("runs/a-1/model")):
        tiny.assert_equal_weights(tiny.weights(isthmus.load(path)), tiny.weights(model))
    assert repr(find("a-1")) == "RunFolder('runs/a-1')"
