from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import two_processes

KILLS_OF_TWO = 40 if os.environ.get("ISTHMUS_LONG") else 1
KILLS = 100 if os.environ.get("ISTHMUS_LONG") else 3


@pytest.mark.long
@pytest.mark.parametrize("where", ["memory", "streamed"])
def test_fault_51_a_run_that_is_killed_at_any_instant_ends_as_if_it_had_not_been(tmp_path: Path, where: str) -> None:
    program = Path(__file__).parents[1] / "kill_loop.py"
    command = [sys.executable, program, tmp_path, str(KILLS), where]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["different"] == [], found
    assert found["codes"][-2:] == [0, 0], done.stderr
    assert set(found["codes"][:-2]) == {-9}, "a process came to its end before it was killed"
    assert found["steps"] == sorted(found["steps"]), "a kill cost what had been saved"
    assert 0 < found["steps"][-1] < found["last"], "no process came far enough to save"


@pytest.mark.long
@pytest.mark.parametrize("what", ["kills", "streamed kills"])
def test_fault_51_69_two_processes_of_which_one_is_killed_at_any_instant_end_as_if_none_had_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setenv("KILLS", str(KILLS_OF_TWO))
    found = two_processes.program(what, tmp_path)
    assert found["different"] == [], found
    assert [codes for codes, _ in found["ending"]] == [[0, 0], [0, 0]]
    assert all(-9 in codes for codes in found["codes"]), "a process came to its end before it was killed"
