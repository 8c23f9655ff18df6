"""`isthmus serve`: one line with the address, a token of one's own or a new one, and the errors in words."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from isthmus.api import Run
from isthmus.cli import build_app
from isthmus.cli.command_frame import run_guarded
from isthmus.errors import UsageError
from isthmus.extras import installing
from isthmus.web import server as serving

OWN = "a-token-of-ones-own"


def started(run: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "isthmus", "serve", str(run), "--port", "0", *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )


def asked(address: str, path: str, token: str | None = None) -> tuple[int, Any]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(address.partition("/?")[0] + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_without_the_extra_the_command_that_installs_it_is_told(
    denoiser: Run, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.delitem(sys.modules, "isthmus.web.server")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert run_guarded(build_app(), ["serve", str(denoiser.path)]) == 5
    assert f"are not installed (import of uvicorn halted; None in sys.modules).\nfix: {installing('web')}\n" in (
        capfd.readouterr().err
    )


def test_serve_prints_one_line_and_ends_quietly_at_ctrl_c(denoiser: Run) -> None:
    server = started(denoiser.path, ISTHMUS_TOKEN=OWN)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        assert address.endswith(f"/?token={OWN}")
        assert asked(address, "/api/about", OWN)[1]["name"] == denoiser.path.name
        assert asked(address, "/api/about")[0] == 401
        server.send_signal(signal.SIGINT)
        out, err = server.communicate(timeout=60)
    finally:
        server.kill()
        server.wait()
    assert (out, server.returncode) == ("", 0)
    assert err.startswith("open this address in a browser; ")


def test_fault_75_who_sends_too_much_is_told_so_over_the_line(denoiser: Run) -> None:
    """Not only that the line was cut, which is all that a sender sees whose bytes nobody reads."""
    server = started(denoiser.path, ISTHMUS_TOKEN=OWN)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().partition("127.0.0.1:")[2].partition("/")[0])
        for body in (b"x" * 40_000_000, (b"x" * 1_000_000 for _ in range(40))):  # with its length told, and without
            line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            line.request("POST", "/api/encode", body, {"Authorization": f"Bearer {OWN}"})
            answer = line.getresponse()
            assert (answer.status, json.load(answer)["error"]["code"]) == (413, "LIMIT-SIZE")
            line.close()
    finally:
        server.kill()
        server.communicate()


def test_a_server_that_is_watched_survives_a_folder_without_a_model(copy: Path) -> None:
    for path in (copy / "model").iterdir():
        path.unlink()
    (copy / "model").rmdir()
    server = started(copy, "--watch", "--json")
    try:
        assert server.stdout is not None
        told = json.loads(server.stdout.readline())
        assert sorted(told) == ["address", "host", "port", "run", "token"]
        assert asked(told["address"], "/api/about", told["token"])[1]["model"] is False
        assert asked(told["address"], "/api/progress", told["token"])[1]["state"] == "finished"
    finally:
        server.kill()
        server.communicate()


def test_without_watch_a_folder_without_a_model_is_an_error(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "model" / "MANIFEST.json").unlink()
    monkeypatch.setattr(sys, "argv", ["isthmus", "serve", str(copy)])
    assert run_guarded(build_app(), ["serve", str(copy)]) == 4
    assert "error[MODEL-" in capsys.readouterr().err


@pytest.mark.parametrize("token", ["short", "sixteen characters", "<script>alert(1)</script>"])
def test_a_token_that_could_be_guessed_or_breaks_an_address_is_refused(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(serving.TOKEN, token)
    with pytest.raises(UsageError, match="is too short, or has characters other"):
        serving._token()


def test_every_server_has_another_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(serving.TOKEN, raising=False)
    found = {serving._token() for _ in range(20)}
    assert len(found) == 20
    assert min(map(len, found)) >= 32  # 24 random bytes in base64


@pytest.mark.parametrize(
    ("host", "name"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("localhost", "127.0.0.1")],
)
def test_the_address_can_be_opened(host: str, name: str, denoiser: Run) -> None:
    made = serving._serving(denoiser, host, 8642, OWN, False)
    assert made.address == f"http://{name}:8642/?token={OWN}"
    assert made.said == ()


def test_fault_81_an_open_network_is_said(denoiser: Run) -> None:
    (warning,) = serving._serving(denoiser, "0.0.0.0", 8642, OWN, True).said
    assert "everybody who can reach port 8642" in warning
    assert "nothing is encrypted" in warning
