"""Ports that are taken, and addresses beyond this machine."""

from __future__ import annotations

import socket

import pytest

from isthmus.errors import ResourceError, UsageError
from isthmus.web import ports
from isthmus.web.ports import listening


def test_fault_82_a_port_by_name_that_is_busy_is_an_error() -> None:
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ResourceError, match=f"port {port} on 127.0.0.1 cannot be used") as error:
            listening("127.0.0.1", port)
        assert error.value.exit_code == 5


def test_fault_82_the_default_port_moves_to_the_next_free_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening("127.0.0.1", 0) as taken:
        monkeypatch.setattr(ports, "FIRST", taken.getsockname()[1])
        with listening("127.0.0.1", None) as next_one:
            assert 0 < next_one.getsockname()[1] - ports.FIRST < ports.TRIED


def test_no_free_port_at_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "TRIED", 1)
    with listening("127.0.0.1", 0) as taken:
        monkeypatch.setattr(ports, "FIRST", taken.getsockname()[1])
        with pytest.raises(ResourceError, match="none of the ports"):
            listening("127.0.0.1", None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_fault_81_the_network_needs_its_own_flag(host: str) -> None:
    with pytest.raises(UsageError, match="everybody who can reach this machine") as error:
        listening(host, 0)
    assert "--allow-network" in str(error.value.fix)


def test_fault_81_with_the_flag_it_listens_and_says_what_that_means() -> None:
    from pathlib import Path

    from isthmus.api import Run
    from isthmus.web.server import _serving

    with listening("0.0.0.0", 0, allow_network=True) as sock:
        assert sock.getsockname()[0] == "0.0.0.0"
    told = _serving(Run(Path("a")), "0.0.0.0", 1, "t", True).said
    assert "nothing is encrypted" in told[0]
    assert _serving(Run(Path("a")), "127.0.0.1", 1, "t", False).said == ()


def test_it_listens_on_this_machine_only() -> None:
    with listening("127.0.0.1", 0) as sock:
        assert sock.getsockname()[0] == "127.0.0.1"
        assert sock.family == socket.AF_INET
        assert sock.proto == socket.IPPROTO_TCP  # asyncio switches Nagle off only where it says so


def test_an_address_that_is_none_is_told() -> None:
    with pytest.raises(UsageError, match="is not an address of this machine"):
        listening("not an address", 0)
