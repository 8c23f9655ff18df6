"""The server of `isthmus train --serve`: it shows the run while it grows, and ends with the training in every case."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from isthmus.api import Run
from isthmus.errors import ResourceError
from isthmus.web.background import BackgroundServer

ORPHAN = """
import os, sys
from isthmus.web.background import BackgroundServer
server = BackgroundServer(print)
server.begin(sys.argv[1])
print(server.process.pid, flush=True)
os._exit(9)
"""


def answers(address: str) -> bool:
    """Whether a server stands there; it refuses whoever has no token, which is an answer too."""
    parts = urlsplit(address)
    request = urllib.request.Request(address, headers={"Host": parts.netloc})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status == 200
    except OSError:
        return False


def gone(pid: int) -> bool:
    """Whether the process has ended; who waits for it in another place may not have done so yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def until(true: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.1)
    return true()


def test_the_page_is_there_as_long_as_the_training_and_no_longer(denoiser: Run) -> None:
    said: list[str] = []
    with BackgroundServer(said.append) as server:
        address = server.begin(denoiser.path)
        assert said == [f"watch the training at {address}"]
        assert answers(address)
        assert server.process is not None
        assert os.getsid(server.process.pid) != os.getsid(0)  # Ctrl-C in the terminal is for the training alone
    assert server.process.returncode == 0
    assert not answers(address)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="there is no run ") as caught, BackgroundServer(print) as server:
        server.begin(tmp_path / "nowhere")
    assert caught.value.code == "RESOURCE-SERVE"
    assert "without --serve" in (caught.value.fix or "")


def test_without_a_server_nothing_is_waited_for() -> None:
    said: list[str] = []
    with BackgroundServer(said.append) as server:
        server.wait()
    assert (said, server.process) == ([], None)


def test_a_server_that_was_killed_leaves_the_training_alone(denoiser: Run) -> None:
    with BackgroundServer(lambda text: None) as server:
        address = server.begin(denoiser.path)
        assert server.process is not None
        server.process.kill()
        server.wait()
    assert server.process.returncode == -signal.SIGKILL
    assert not answers(address)


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="asks Linux whether a process is there")
def test_fault_82_a_training_that_is_killed_leaves_no_server_behind(denoiser: Run) -> None:
    command = [sys.executable, "-c", ORPHAN, str(denoiser.path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 9
    assert until(lambda: gone(int(done.stdout.split()[-1])))


def test_train_with_serve_shows_the_page_from_the_start(images: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "isthmus", "train", str(images), "--out", str(tmp_path / "run"), "--serve"]
    command += ["--epochs", "100000", "--hidden", "16", "--z-size", "4", "--threads", "1"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    training = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    assert training.stdout is not None
    try:
        line = next(text for text in training.stdout if "watch the training at " in text)
        address = line.partition("watch the training at ")[2].strip()
        assert until(lambda: answers(address))
        assert until(lambda: (tmp_path / "run" / "history.csv").is_file())
        training.send_signal(signal.SIGINT)
        told = training.stdout.read()
        assert training.wait(timeout=120) == 128 + signal.SIGINT, told
    finally:
        training.kill()
        training.wait()
        training.stdout.close()
    assert Run(tmp_path / "run").record["ended"] == "interrupted"
    assert until(lambda: not answers(address))
