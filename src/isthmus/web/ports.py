"""The socket that the server listens on: the given port, or the next free one."""

from __future__ import annotations

import ipaddress
import socket

from isthmus.errors import ResourceError, UsageError

FIRST = 8_642  # not registered for anything else; twenty ports are tried, for as many servers of one user
TRIED = 20


def listening(host: str, port: int | None, *, allow_network: bool = False) -> socket.socket:
    """A bound socket. Without `port`, on the first free port from 8642; 0 lets the system choose one.

    Raises: UsageError for a host beyond this machine without `allow_network`; ResourceError for a port in use.
    """
    family, address = _address(host)
    if not ipaddress.ip_address(address).is_loopback and not allow_network:
        message = f"--host {host} would open the model to everybody who can reach this machine over the network."
        fix = "leave out --host, or add --allow-network if you want that (it needs the token, but nothing is encrypted)"
        raise UsageError("USAGE-HOST", message, fix=fix)
    reason = ""
    candidates = [port] if port is not None else range(FIRST, FIRST + TRIED)
    for candidate in candidates:
        try:
            return _bound(family, address, candidate)
        except OSError as error:
            reason = error.strerror or str(error)
    if port is not None:
        fix = "choose another port, or leave out --port to use the next free one"
        raise ResourceError("RESOURCE-PORT", f"port {port} on {host} cannot be used: {reason}.", fix=fix)
    message = f"none of the ports {FIRST} to {FIRST + TRIED - 1} on {host} is free: {reason}."
    raise ResourceError("RESOURCE-PORT", message, fix="choose a free port with --port")


def _bound(family: int, address: str, port: int) -> socket.socket:
    # Without the protocol, asyncio leaves Nagle's algorithm on, and every answer waits 40 ms for an acknowledgement.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the port of a server that just ended can be reused
        made.bind((address, port))
        made.listen(128)
    except OSError:
        made.close()
        raise
    made.set_inheritable(False)
    return made


def _address(host: str) -> tuple[int, str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        message = f"--host {host} is not an address of this machine: {error}."
        raise UsageError("USAGE-HOST", message, fix="use 127.0.0.1, or leave out --host") from None
    family, _, _, _, sockaddr = found[0]
    return family, str(sockaddr[0])


__all__ = ["listening"]
