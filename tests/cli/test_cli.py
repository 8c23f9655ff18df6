"""The command as people and scripts meet it: words, exit codes, JSON, signals; some in processes of their own."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

import isthmus
import tiny
from isthmus.api import Run
from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded
from isthmus.recipes import RECIPES
from isthmus.system.lock import FolderLock
from isthmus.wording import three_digits

COMMANDS = [
    "train",
    "resume",
    "finish",
    "compare",
    "sweep",
    "reconstruct",
    "denoise",
    "encode",
    "decode",
    "impute",
    "sample",
    "interpolate",
    "traverse",
    "edit",
    "score",
    "map",
    "neighbors",
    "duplicates",
    "probe",
    "evaluate",
    "check",
    "info",
    "runs",
    "recipes",
    "doctor",
    "bench",
    "report",
    "serve",
    "export",
]
FEATURES = ["feature learn", "feature list", "feature discover", "feature matrix"]
TRAIN = ["--hidden", "16", "--z-size", "4", "--threads", "1", "--batch-size", "32", "--epochs", "2"]
PROGRAM = [sys.executable, "-c", "from isthmus.cli import main; main()"]


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out.count("\n") == 1, "not one line on standard output"
        return json.loads(self.out, parse_constant=pytest.fail)


Command = Callable[..., Outcome]


@pytest.fixture
def isthmus_command(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: Any) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["isthmus", *map(str, arguments)])
        capsys.readouterr()
        code = run_guarded(build_app(), [str(a) for a in arguments])
        return Outcome(code, *capsys.readouterr())

    return command


@pytest.fixture(scope="module")
def images(digits: tiny.Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "digits.npy"
    np.save(path, digits.x[:150])
    return path


@pytest.fixture(scope="module")
def run(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, not to be changed."""
    settings: dict[str, Any] = {"hidden": [16], "z_size": 4, "threads": 1, "batch_size": 32, "epochs": 2}
    return isthmus.train(images, out=tmp_path_factory.mktemp("runs") / "a", show=False, **settings).path


def test_version(isthmus_command: Command) -> None:
    assert isthmus_command("--version") == (0, f"isthmus {isthmus.__version__}\n", "")


@pytest.mark.parametrize("name", [*COMMANDS, *FEATURES])
def test_every_command_has_help_with_examples_that_parse(name: str, isthmus_command: Command) -> None:
    outcome = isthmus_command(*name.split(), "--help")
    assert outcome.code == 0
    assert all(option in outcome.out for option in ("--json", "--quiet", "--debug", "--help"))
    for line in re.findall(r"^ +isthmus (.+?)(?:   .*)?$", outcome.out, re.MULTILINE):
        given, *words = line.split()
        given = f"{given} {words.pop(0)}" if given == "feature" else given
        assert given in {*COMMANDS, *FEATURES}
        flags = [word for word in words if word.startswith("-")]
        known = isthmus_command(*given.split(), "--help").out
        assert all(re.search(rf"(?<![\w-]){flag}\b", known) for flag in flags), line


def test_the_help_lists_every_command_and_no_command_is_the_help(isthmus_command: Command) -> None:
    told = isthmus_command("--help")
    listed = re.findall(r"^  (\w+)  +\S", told.out.partition("Train:")[2].partition("Examples:")[0], re.MULTILINE)
    assert sorted(listed) == sorted([*COMMANDS, "feature"])
    assert isthmus_command().out.startswith("Usage: isthmus")


def test_the_help_of_train_has_every_setting_that_the_contract_promises(isthmus_command: Command) -> None:
    told = isthmus_command("train", "--help").out
    promised = (
        "--recipe --noise --z-size --epochs --batch-size --lr --hidden --activation --patience --seed --device "
        "--threads --validation --test --limit --label --shape --config --set --out --dry-run --gray --resize --augment"
    )
    assert [flag for flag in promised.split() if not re.search(rf"^  {flag}\b", told, re.MULTILINE)] == []


def test_fault_54_ctrl_c_before_anything_is_locked_is_one_line(
    isthmus_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("isthmus.training.prepare.read_splits", interrupted)
    stopped = isthmus_command("train", "mnist-2k")
    assert (stopped.code, stopped.err) == (130, "error[INTERRUPTED]: stopped.\n")


def test_check_says_where_its_picture_is_and_takes_nobodys_place(
    isthmus_command: Command, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "check.png").write_text("mine")
    first = isthmus_command("check", str(images), "--json")
    picture = Path(json.loads(first.out)["picture"])
    assert picture.parent == Path("runs") / "checks"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert json.loads(isthmus_command("check", str(images), "--json").out)["picture"] == str(picture)
    picture.write_text("retouched")
    again = isthmus_command("check", str(images))
    assert f"picture: {picture.with_stem(picture.stem + '-2')}" in again.out
    assert (picture.read_text(), (tmp_path / "check.png").read_text()) == ("retouched", "mine")
    asked = isthmus_command("check", str(images), "-o", "here.png")
    assert (asked.code, (tmp_path / "here.png").is_file()) == (0, True)
    over = isthmus_command("check", str(images), "-o", str(images))
    assert (over.code, "is the input itself" in over.err) == (2, True)


def test_runs_tells_how_each_ended(
    isthmus_command: Command, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, values in {"a": {"ended": None}, "b": {"ended": "failed", "error": "the disk is full."}}.items():
        shutil.copytree(run, tmp_path / "runs" / name)
        Run(tmp_path / "runs" / name).write_record(**values)
    listed = json.loads(isthmus_command("runs", "--json").out)["runs"]
    assert {row["run"]: row["ended"] for row in listed} == {"runs/a": "killed", "runs/b": "failed"}
    assert "ended: failed (the disk is full.)" in isthmus_command("info", "runs/b").out


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from isthmus.cli import build_app\n"
        "from isthmus.cli.command_frame import run_guarded\n"
        "assert run_guarded(build_app(), sys.argv[1:]) == 0\n"
        "heavy = {'torch', 'pydantic', 'matplotlib', 'polars', 'numpy', 'sklearn', 'scipy', 'PIL', 'rich'}\n"
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)"
    )
    # For the options of one command typer itself takes pydantic along.
    for arguments, loaded in ((["--help"], []), (["--version"], []), (["train", "--help"], ["pydantic"])):
        done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
        assert set(ast.literal_eval(done.stderr)) <= set(loaded), arguments


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian"], "No such command 'trian'"),
        (["train", "--epoch-count", "3"], "no such option"),
        (["train", "--epochs", "many"], "--epochs many: expected a whole number"),
        (["train", "--epochs", "0"], "training.epochs is 0, but must be at least 1"),
        (["train", "--device", "tpu"], "--device: 'tpu' is not one of"),
        (["train", "a", "b"], "unexpected extra argument"),
        (["train", "--set", "speed=3"], "there is no setting 'speed'"),
        (["train", "--set", "lr"], "--set 'lr' has no '='"),
        (["train", "--recipe", "modren"], "unknown recipe 'modren'"),
        (["train", "--noise", "gausian:0.5"], "unknown noise 'gausian'"),
        (["train", "--config", "absent.toml"], "there is no file absent.toml"),
        (["resume"], "missing argument"),
        (["resume", "absent"], "there is no run absent, "),
        (["info", "latest"], "there are no runs"),
        (["reconstruct", "latest", "x.png"], "missing option"),
    ],
)
def test_what_cannot_be_meant_is_exit_2_in_two_lines(
    arguments: list[str], words: str, isthmus_command: Command
) -> None:
    outcome = isthmus_command(*arguments)
    assert outcome.code == 2
    assert words in outcome.err
    assert re.fullmatch(r"error\[USAGE[\w-]*\]: .+[.?)]\nfix: .+\n", outcome.err)
    assert outcome.out == ""
    assert os.listdir() == []
    as_json = isthmus_command(*arguments, "--json")
    assert as_json.code == as_json.json["error"]["exit_code"] == 2
    assert as_json.err == outcome.err


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "bad.csv"), ("", "bad.csv"), ("a,b\n1,2\n3,x\n5,6\n7,8\n", 'row 3, column "b": "x"')],
)
def test_bad_data_is_exit_3(content: str | None, words: str, isthmus_command: Command) -> None:
    if content is not None:
        Path("bad.csv").write_text(content)
    outcome = isthmus_command("train", "bad.csv")
    assert outcome.code == 3
    assert words in outcome.err
    assert "\nfix: " in outcome.err
    assert not Path("runs").exists()


def test_fault_62_a_bad_model_file_is_exit_4(run: Path, isthmus_command: Command, tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1)}, tmp_path / "model.pt")
    outcome = isthmus_command("info", "model.pt")
    assert outcome.code == 4
    assert "can run arbitrary code" in outcome.err
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    (copy / "model" / "model.safetensors").write_bytes(b"")
    np.save("x.npy", np.zeros((2, 28, 28), np.uint8))
    outcome = isthmus_command("encode", "copy", "x.npy", "-o", "z.npy")
    assert outcome.code == 4
    assert "model.safetensors is damaged" in outcome.err


def test_fault_53_a_place_that_cannot_be_written_is_exit_5(run: Path, images: Path, isthmus_command: Command) -> None:
    Path("file").write_text("")
    for arguments in (["train", images, *TRAIN, "--out", "file/run"], ["encode", run, images, "-o", "file/z.npy"]):
        outcome = isthmus_command(*arguments)
        assert outcome.code == 5
        assert "cannot be written" in outcome.err


def test_fault_56_58_a_folder_in_use_or_with_something_in_it_is_exit_7(
    run: Path, images: Path, isthmus_command: Command, tmp_path: Path
) -> None:
    outcome = isthmus_command("train", images, *TRAIN, "--out", run)
    assert outcome.code == 7
    assert "exists and is not empty" in outcome.err
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    with FolderLock(copy):
        outcome = isthmus_command("resume", copy, "--epochs", "9")
    assert outcome.code == 7
    assert f"in use by another run (process {os.getpid()}" in outcome.err


def test_a_mistake_of_ours_is_exit_1_and_asks_for_a_report(
    run: Path, isthmus_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("isthmus.cli.inspection_commands.look_for_runs", broken)
    outcome = isthmus_command("runs")
    assert outcome.code == 1
    assert outcome.err.startswith("error[BUG]: isthmus failed unexpectedly (ZeroDivisionError: by zero).\nfix: ")
    with pytest.raises(ZeroDivisionError):
        isthmus_command("runs", "--debug")


def test_debug_shows_where_an_error_came_from(isthmus_command: Command) -> None:
    outcome = isthmus_command("info", "absent", "--debug")
    assert outcome.code == 2
    assert "Traceback (most recent call last)" in outcome.err
    assert "error[USAGE-RUN]: there is no run absent" in outcome.err
    assert "Traceback" not in isthmus_command("info", "absent").err
    both = isthmus_command("info", "absent", "--debug", "--json")
    assert both.json["error"]["code"] == "USAGE-RUN"


def test_running_out_of_memory_is_a_resource_that_is_missing(
    isthmus_command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("isthmus.cli.inspection_commands.look_for_runs", broken)
    outcome = isthmus_command("runs")
    assert outcome.code == 5
    assert "not enough memory" in outcome.err


def test_training_tells_what_it_made_and_where(images: Path, isthmus_command: Command) -> None:
    outcome = isthmus_command("train", images, *TRAIN, "--set", "warmup=0.2")
    assert outcome.code == 0
    assert "autoencoder on digits" in outcome.out
    assert "run folder: runs/digits-modern-1" in outcome.out
    assert "pictures in runs/digits-modern-1: architecture.svg, curves.png" in outcome.out
    found = Run("runs/digits-modern-1")
    assert (found.config.training.warmup, found.config.model.hidden) == (0.2, (16,))
    assert found.record["command"].startswith("isthmus train ")
    again = isthmus_command("resume", "latest")
    assert again.code == 0
    assert re.search("is finished after 2 epochs; .*--epochs N", again.out)
    quiet = isthmus_command("resume", "latest", "--epochs", "3", "--quiet")
    assert quiet.code == 0
    assert "epoch 3/3" not in quiet.out
    assert "pictures in" in quiet.out
    assert len(Run("runs/digits-modern-1").history) == 3


def test_json_is_one_object_on_standard_output_and_words_are_on_the_other(
    images: Path, isthmus_command: Command
) -> None:
    outcome = isthmus_command("train", images, *TRAIN, "--json")
    assert outcome.code == 0
    assert outcome.json["run"] == "runs/digits-modern-1"
    assert outcome.json["metrics"] == json.loads(Path("runs/digits-modern-1/metrics.json").read_text())
    assert "run folder: runs/digits-modern-1" in outcome.err
    assert isthmus_command("train", images, *TRAIN, "--json", "--quiet").err == ""


def test_a_dry_run_makes_nothing(images: Path, isthmus_command: Command) -> None:
    outcome = isthmus_command("train", images, *TRAIN, "--dry-run")
    assert outcome.code == 0
    assert "120 train, 15 validation, 15 test; each of 1 x 28 x 28" in outcome.out
    assert "training: 2 epochs, 8 steps" in outcome.out
    assert os.listdir() == []
    assert isthmus_command("train", images, *TRAIN, "--dry-run", "--json").json["samples"]["train"] == 120


@pytest.mark.parametrize("name", ["info", "evaluate"])
def test_looking_at_a_run_tells_its_numbers(name: str, run: Path, isthmus_command: Command) -> None:
    outcome = isthmus_command(name, run)
    metrics = Run(run).metrics
    assert outcome.code == 0
    assert re.search(rf"this model +mean squared error +{three_digits(metrics['test']['mse'])}\n", outcome.out)
    found = isthmus_command(name, run, "--json").json
    assert (found if name == "evaluate" else found["metrics"])["test"] == metrics["test"]


def test_fault_info_on_a_damaged_model_tells_what_it_can_and_fails(run: Path, isthmus_command: Command) -> None:
    shutil.copytree(run, "runs/b")
    os.truncate("runs/b/model/model.safetensors", 100)
    outcome = isthmus_command("info", "runs/b")
    assert outcome.code == 4
    assert three_digits(Run(run).metrics["test"]["mse"]) in outcome.out
    assert "error[MODEL-FILE]: runs/b/model/model.safetensors is damaged" in outcome.err
    found = isthmus_command("info", "runs/b", "--json").json
    assert (found["error"]["code"], found["metrics"]) == ("MODEL-FILE", Run(run).metrics)


@pytest.mark.parametrize(("name", "text"), [("metrics.json", "{"), ("metrics.json", "{}"), ("config.toml", "x = [")])
def test_fault_a_broken_file_of_one_run_is_told_and_does_not_hide_the_others(
    name: str, text: str, run: Path, isthmus_command: Command
) -> None:
    shutil.copytree(run, "runs/a")
    shutil.copytree(run, "runs/b")
    Path("runs/b", name).write_text(text)
    Path("runs/b/MANIFEST.json").unlink()  # without it, what is in the file is all there is to go by
    outcome = isthmus_command("info", "runs/b")
    assert outcome.code == 4
    assert f"error[RUN-FILE]: runs/b/{name} cannot be" in outcome.err
    rows = {row["run"]: row["ended"] for row in isthmus_command("runs", "--json").json["runs"]}
    assert rows == {"runs/a": "budget", "runs/b": "damaged" if name == "metrics.json" else "budget"}


def test_fault_evaluate_names_the_data_that_was_measured(run: Path, images: Path, isthmus_command: Command) -> None:
    large = np.repeat(np.repeat(np.load(images)[:7], 2, 2), 2, 3)
    np.save("other.npy", large)
    refused = isthmus_command("evaluate", run, "other.npy")
    assert "fix: pass --resize 28x28" in refused.err
    outcome = isthmus_command("evaluate", run, "other.npy", "--resize", "28x28")
    assert outcome.out.splitlines()[:2] == ["data       other, 7 test images", f"trained on {images}"]
    found = isthmus_command("evaluate", run, "other.npy", "--resize", "28x28", "--json").json
    assert found["data"] == {"name": "other", "n_test": 7, "shape": [1, 28, 28], "trained_on": str(images)}
    assert "mean_cost" not in found
    own = isthmus_command("evaluate", run)
    assert own.out.startswith(f"data       {images.stem}, ")
    assert isthmus_command("evaluate", run, "--resize", "28").code == 2  # options for data that is not named


def test_runs_and_recipes_are_listed(run: Path, isthmus_command: Command) -> None:
    assert "no runs here" in isthmus_command("runs").out
    shutil.copytree(run, "runs/b")
    outcome = isthmus_command("runs")
    assert "runs/b" in outcome.out
    row = isthmus_command("runs", "--json").json["runs"][0]
    assert (row["run"], row["mse"]) == ("runs/b", Run(run).metrics["test"]["mse"])
    assert (row["data"], row["recipe"]) == (Run(run).metrics["data"]["name"], "modern")
    assert set(isthmus_command("recipes", "--json").json["recipes"]) == set(RECIPES)


def test_doctor_tells_the_machine(isthmus_command: Command) -> None:
    found = isthmus_command("doctor", "--json").json
    assert found["torch"] == torch.__version__
    assert found["cores"] == os.cpu_count()
    assert isthmus_command("doctor").out.count("\n") == len(found)


def test_codes_go_out_and_come_back(run: Path, images: Path, digits: tiny.Digits, isthmus_command: Command) -> None:
    for suffix in (".csv", ".parquet", ".npy"):
        assert isthmus_command("encode", run, images, "-o", f"z{suffix}").code == 0
        assert isthmus_command("decode", run, f"z{suffix}", "-o", f"x{suffix}.npy").code == 0
    assert np.load("z.npy") == pytest.approx(isthmus.load(run).encode(digits.x[:150]), abs=1e-5)
    for suffix in (".csv", ".parquet", ".npy"):
        difference = np.load(f"x{suffix}.npy").astype(int) - isthmus.load(run).reconstruct(digits.x[:150])
        assert np.abs(difference).max() <= 1  # bytes from codes that were written as decimal numbers


def test_an_image_becomes_an_image_and_a_folder_a_folder(
    run: Path, digits: tiny.Digits, isthmus_command: Command
) -> None:
    Path("given").mkdir()
    names = ["a b.png", "ü.png", "it's.png"]
    for name, image in zip(names, digits.x, strict=False):
        Image.fromarray(image[0]).save(Path("given") / name)
    assert isthmus_command("reconstruct", run, "given/a b.png", "-o", "one.png").code == 0
    assert isthmus_command("reconstruct", run, "given", "-o", "made").code == 0
    assert sorted(name for name in os.listdir("made") if name[0] != ".") == sorted(names)
    expected = isthmus.load(run).reconstruct(digits.x[:3])
    for name, image in zip(names, expected, strict=True):
        assert np.array_equal(np.asarray(Image.open(Path("made") / name)), image[0])
    assert np.array_equal(np.asarray(Image.open("one.png")), expected[0][0])


def test_a_model_that_saw_no_noise_does_not_denoise(run: Path, images: Path, isthmus_command: Command) -> None:
    outcome = isthmus_command("denoise", run, images, "-o", "clean.npy")
    assert outcome.code == 2
    assert "was not trained on noisy input" in outcome.err
    assert not Path("clean.npy").exists()


def test_a_reader_that_goes_away_ends_it_in_silence() -> None:
    with subprocess.Popen([*PROGRAM, "recipes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        told = process.stderr.read()
    assert (process.returncode, told) == (141, b"")


def started(images: Path, folder: Path) -> subprocess.Popen[str]:
    """The real command, in training, with its first checkpoint on the disk."""
    arguments = ["train", str(images), *TRAIN[:-1], "2000", "--lr", "0.0001", "--out", str(folder)]
    process = subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (folder / "checkpoint" / "latest").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_fault_54_55_a_signal_saves_tells_how_to_go_on_and_sets_the_exit_code(
    number: int, code: int, images: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "my run"
    process = started(images, folder)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert re.search(
        r"error\[INTERRUPTED\]: stopped (in epoch \d+, step [1-4] of 4|after epoch \d+ of \d+); everything trained so "
        r"far is saved\.",
        err,
    )
    assert f"fix: continue with `isthmus resume '{folder}'`" in err
    record = Run(folder).record
    assert record["ended"] == "interrupted"
    assert not (folder / "model").exists()
    history, (place, epoch) = Run(folder).history, re.findall(r"(in|after) epoch (\d+)", err)[0]
    assert [row["epoch"] for row in history] == list(range(1, int(epoch) + (place == "after")))
