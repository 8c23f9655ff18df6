"""Trainings of two processes that are started, stopped, killed, resumed, or fail."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

import tiny
import two_processes
from isthmus.api import Run
from isthmus.errors import IsthmusError, ResourceError
from isthmus.pipeline import joining
from isthmus.pipeline.joining import cores_of, joined
from isthmus.system.launch import Launch
from isthmus.system.workers import usable_cores


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ends")


@pytest.fixture(scope="module")
def found(folder: Path) -> Any:
    return two_processes.program("ends", folder)


def costs(path: Path) -> list[float]:
    return [cost for row in tiny.costs_of(Run(path)) for cost in row]


def test_a_training_of_two_is_judged_and_told_by_the_first(found: Any, folder: Path) -> None:
    codes, paths = found["whole"]
    assert (codes, set(paths)) == ([0, 0], {str(folder / "whole")})
    run = Run(folder / "whole")
    assert costs(run.path) == pytest.approx(costs(folder / "alone"), abs=1e-6)
    assert run.metrics["test"]["mse"] == pytest.approx(Run(folder / "alone").metrics["test"]["mse"], rel=1e-4)
    assert run.record["processes"] == 2
    assert "2 processes share each batch of 16 samples" in run.record["said"]


def test_fault_70_a_signal_to_one_stops_both_at_the_same_step(found: Any) -> None:
    codes, (first, second) = found["stopped"]
    assert codes == [143, 143]
    assert first["error"].startswith("stopped in epoch 2, step ")
    assert (first["told"], second["told"]) == (False, True)


def test_fault_73_another_number_of_processes_goes_on_to_the_same_end(found: Any, folder: Path) -> None:
    assert found["resumed alone"][0] == [0]
    assert costs(folder / "stopped") == pytest.approx(costs(folder / "alone"), abs=1e-6)
    changed = Run(folder / "stopped").record["resumed"][0]["changed"]
    assert "the number of processes is now 1, before 2; each step still uses 16 samples" in changed


def test_fault_49_69_a_killed_process_is_named_and_costs_nothing(found: Any, folder: Path) -> None:
    codes, (first, _) = found["killed"]
    assert codes == [5, -9]
    assert first["error"].startswith("rank 1 (process ")
    assert "has ended without an error message, so it was probably killed; it held " in first["error"]
    assert first["error"].endswith(" were free. Everything up to epoch 2 of 6 is saved.")
    assert first["fix"] == f"continue with `isthmus resume {folder / 'killed'}`, with any number of processes"
    codes, paths = found["resumed by three"]
    assert (codes, set(paths)) == ([0, 0, 0], {str(folder / "killed")})
    assert costs(folder / "killed") == pytest.approx(costs(folder / "alone"), abs=1e-6)
    assert found["resumed when finished"] == [[0, 0], paths[:2]]


def test_fault_69_the_last_error_of_a_process_is_told_by_the_first(found: Any, folder: Path) -> None:
    codes, (first, second) = found["failed"]
    assert codes == [5, 1]
    assert "has ended: isthmus failed unexpectedly (ZeroDivisionError: division by zero)." in first["error"]
    assert json.loads((folder / "failed" / "run.json").read_text())["ended"] == "interrupted"
    assert second["told"] is False  # it says so too, as its own error


def test_fault_69_a_process_that_hangs_is_named_after_the_time_out(found: Any) -> None:
    codes, (first, second) = found["hanging"]
    assert codes == [5, 5]
    assert "did not respond within 3 s. Everything up to epoch 2 of 6 is saved." in first["error"]
    assert first["error"].startswith("rank 1 (process ")
    assert second["error"].endswith("has ended because it had lost another process.")


def test_fault_48_one_process_short_of_memory_computes_its_part_by_pieces(found: Any, folder: Path) -> None:
    codes, paths = found["out of memory"]
    assert (codes, set(paths)) == ([0, 0], {str(folder / "memory")})
    assert costs(folder / "memory") == pytest.approx(costs(folder / "alone"), abs=1e-6)


@pytest.mark.parametrize(
    ("case", "code", "error"),
    [
        ("diverged", 6, "the cost was not a finite number in epoch 3, step 21"),
        ("folder there", 7, "exists and is not empty."),
        ("other data", 3, "and rank 0 read different data from "),
        ("no data", 3, "there is no file "),
        ("other settings", 2, "and rank 0 have different settings"),
    ],
)
def test_fault_70_an_error_of_one_ends_both_and_is_said_once(case: str, code: int, error: str, found: Any) -> None:
    codes, (first, second) = found[case]
    assert codes == [code, code]
    assert error in first["error"]
    assert (first["told"], second["told"]) == (False, True)


def _launched(monkeypatch: pytest.MonkeyPatch, rank: int, host: str, port: int) -> None:
    about = {"RANK": rank, "WORLD_SIZE": 2, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": 2}
    for name, value in (about | {"MASTER_ADDR": host, "MASTER_PORT": port}).items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(joining, "JOIN", joining.timedelta(seconds=1))


def _refused() -> IsthmusError:
    with pytest.raises(ResourceError) as caught, joined():
        pass
    return caught.value


def test_fault_72_a_busy_port_is_named_with_a_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as busy:
        busy.bind(("", 0))
        busy.listen()
        port = busy.getsockname()[1]
        _launched(monkeypatch, 0, "127.0.0.1", port)
        error = _refused()
    assert error.code == "RESOURCE-PORT"
    assert error.message == f"port {port}, where rank 0 waits for the others, is in use by another program."
    fix = str(error.fix)
    assert fix.startswith("first run `export MASTER_PORT=")
    with socket.socket() as free:
        free.bind(("", int(fix.strip("`").rpartition("=")[2])))


def test_fault_72_a_host_without_address_and_one_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    _launched(monkeypatch, 1, "no-such-host.invalid", 29500)
    assert _refused().message.startswith(
        "the host name of rank 0, MASTER_ADDR=no-such-host.invalid, cannot be resolved: "
    )
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    _launched(monkeypatch, 1, "127.0.0.1", port)
    start = f"rank 1 of 2 processes could not connect to 127.0.0.1, port {port}: "
    assert _refused().message.startswith(start)


def test_the_cores_of_a_machine_are_divided() -> None:
    assert cores_of(None) == usable_cores()
    assert cores_of(Launch(0, 8, 0, 4)) == max(1, usable_cores() // 4)
    assert cores_of(Launch(0, 10_000, 0, 10_000)) == 1
