from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import soak
from isthmus.api import Run
from isthmus.web import connections

SECONDS = 120 if os.environ.get("ISTHMUS_LONG") == "1" else 3


@pytest.mark.long
def test_fault_97_honest_and_slow_clients_are_answered_among_hundreds_that_never_ask(denoiser: Run) -> None:
    program = Path(soak.__file__)
    done = subprocess.run(
        [sys.executable, program, denoiser.path, str(SECONDS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(found)  # shown with -s, for docs/reliability.md
    counts = found["counts"]
    assert {key for key in counts if key.startswith("honest")} == {"honest 200"}, found
    assert {key for key in counts if key.startswith("slow")} == {"slow 200"}, found
    assert {key for key in counts if key.startswith("odd")} == {"odd 403"}, found
    assert counts["half-open opened"] >= soak.CROWD, found
    assert counts.get("half-open closed", 0) > 0 or SECONDS < connections.SECONDS, found
    assert found["files"] <= soak.CROWD + 64, found  # those that wait, and those that are being answered
    assert found["last"] == "200"
