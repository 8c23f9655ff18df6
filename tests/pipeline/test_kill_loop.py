from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KILLS = 100 if os.environ.get("ISTHMUS_LONG") else 3


@pytest.mark.long
def test_fault_51_a_run_that_is_killed_at_any_instant_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    program = Path(__file__).parents[1] / "kill_loop.py"
    done = subprocess.run([sys.executable, program, tmp_path, str(KILLS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["different"] == [], found
    assert found["codes"][-2:] == [0, 0], done.stderr
    assert set(found["codes"][:-2]) == {-9}, "a process came to its end before it was killed"
    assert found["steps"] == sorted(found["steps"]), "a kill cost what had been saved"
    assert 0 < found["steps"][-1] < found["last"], "no process came far enough to save"
