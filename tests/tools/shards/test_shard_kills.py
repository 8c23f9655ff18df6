"""Shards whose command or workers are killed at any instant, by a program of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import shard_kills
from isthmus.tools.shards.shard_run import AHEAD

KILLS = 100 if os.environ.get("ISTHMUS_LONG") else 4


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_fault_51_shards_that_are_killed_at_any_instant_end_as_if_they_had_not_been(tmp_path: Path) -> None:
    command = [sys.executable, shard_kills.__file__, tmp_path, str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(done.stdout)
    assert (found["whole"], found["last"]) == (0, 0), done.stderr
    assert all(code == {"command": -9, "worker": 0}[what] for what, code in found["codes"]), done.stderr
    assert found["half"] == [], "a result stood in its place before it was whole"
    assert found["equal"]
    assert found["strays"] == []
    redone = found["begun"] - found["rounds"] * shard_kills.SHARDS
    assert redone <= AHEAD * shard_kills.WORKERS * len(found["codes"]), "a kill cost more than what was in flight"
