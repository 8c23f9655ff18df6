"""How fast and stable the app of `isthmus serve` is: one image, moving a slider, memory over thousands of requests.

    python benchmarks/serving.py RUN [--requests 5000]

The server is a separate process. Requests go over its socket as from a browser, with one connection kept open.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np

WARM = 50  # requests before the clock starts: the first ones load and allocate


class Asker:
    """A program with the token and one open connection."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.line = http.client.HTTPConnection(parts.hostname or "", parts.port)
        token = parse_qs(parts.query)["token"][0]
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def ask(self, path: str, body: object = None) -> dict:
        packed = None if body is None else json.dumps(body)
        self.line.request("GET" if body is None else "POST", path, packed, self.headers)
        answer = self.line.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        return json.loads(text)

    def timed(self, path: str, bodies: list) -> np.ndarray:
        """Milliseconds of each request."""
        for body in bodies[:WARM]:
            self.ask(path, body)
        took = []
        for body in bodies:
            begun = time.perf_counter()
            self.ask(path, body)
            took.append(1e3 * (time.perf_counter() - begun))
        return np.array(took)


def rss(pid: int) -> float:
    """Megabytes of memory that a process holds."""
    line = next(text for text in Path(f"/proc/{pid}/status").read_text().splitlines() if text.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--requests", type=int, default=5_000)
    given = parser.parse_args()
    command = [sys.executable, "-m", "isthmus", "serve", str(given.run), "--json", "--until-closed"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        asker = Asker(json.loads(server.stdout.readline())["address"])
        picture = {"images": asker.ask("/api/pick")["images"]}
        units = asker.ask("/api/model")["units"]
        z = asker.ask("/api/reconstruct", picture)["z"][0]
        way = [
            {"z": [[*z[: u["unit"]], v, *z[u["unit"] + 1 :]]]}
            for u in units[:5]
            for v in np.linspace(u["low"], u["high"], 100)
        ]
        one = asker.timed("/api/reconstruct", [picture] * 500)
        slider = asker.timed("/api/decode", way)
        before = rss(server.pid)
        for i in range(given.requests):
            asker.ask(*(("/api/reconstruct", picture) if i % 2 else ("/api/decode", way[i % len(way)])))
        after = rss(server.pid)
    finally:
        server.terminate()
        server.wait()
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for name, took in (("/api/reconstruct, one image", one), ("/api/decode, a slider's way", slider)):
        low, high, most = np.percentile(took, [50, 95, 99])
        print(f"{name}: median {low:.1f} ms, 95 % under {high:.1f} ms, 99 % under {most:.1f} ms ({len(took)} requests)")
    print(f"memory: {before:.0f} MB, after {given.requests:,} more requests {after:.0f} MB ({after - before:+.1f} MB)")


if __name__ == "__main__":
    main()
