"""`MANIFEST.json` next to the output files of shards: the model, the inputs, and the checksums."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isthmus.errors import UsageError
from isthmus.system.files import MANIFEST, write_json
from isthmus.system.passing_errors import patiently
from isthmus.tools.shards.shard_listing import Shard
from isthmus.tools.shards.shard_task import ShardResult, checksum
from isthmus.version import __version__
from isthmus.wording import printable

FORMAT = 1
NEEDED = {"in", "out", "n", "bytes", "sha256"}  # in every entry
OF_TASK = {"score": {"outliers"}, "impute": {"filled", "spread"}}


@dataclass
class ShardManifest:
    """What the folder `out` contains: `about`, how it was made, and an entry for each finished shard.

    `about` has the task, the run, the checksum of its weights and the options. If any of them differ, all shards are
    processed again.
    """

    out: Path
    about: Mapping[str, Any]
    shards: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def open(cls, out: Path, about: Mapping[str, Any]) -> ShardManifest:
        """The manifest in `out`; without entries if there is none, or if it has other weights or options.

        Raises: UsageError if the folder has results of another task.
        """
        known = _read(out / MANIFEST)
        task = known.get("about", {}).get("task", about["task"])
        if task != about["task"]:
            message = f"{printable(out)} has results of `isthmus {task}`, but this is `isthmus {about['task']}`."
            raise UsageError("USAGE-OUT", message, fix="name another folder with -o")
        same = _made_by(known.get("about", {})) == _made_by(json.loads(json.dumps(about)))
        return cls(out, about, dict(known["shards"]) if same else {})

    def is_done(self, shard: Shard) -> bool:
        """Whether the shard was written from the current input, and its output is unchanged."""
        entry = self.shards.get(shard.name)
        target = self.out / shard.out
        if entry is None or entry["in"] != stamp_of(shard.source) or entry["out"] != shard.out or not target.exists():
            return False
        return checksum(target) == (entry["bytes"], entry["sha256"])

    def add(self, shard: Shard, before: Sequence[int], result: ShardResult) -> None:
        """Adds the result of a shard whose `stamp_of` was `before` when it was started."""
        entry: dict[str, Any] = {"in": list(before), "out": shard.out, "n": result.n, "bytes": result.bytes}
        entry |= {"sha256": result.sha256}
        entry |= {} if result.outliers is None else {"outliers": result.outliers}
        self.shards[shard.name] = entry | ({} if result.fills is None else dict(result.fills))

    def forget_others(self, shards: Sequence[Shard]) -> list[str]:
        """Removes entries of shards that no longer exist, and returns the names of their output files, which stay."""
        gone = self.shards.keys() - {shard.name for shard in shards}
        return sorted(self.shards.pop(name)["out"] for name in gone)

    def write(self) -> None:
        """Writes the manifest atomically, with the shards sorted by name."""
        value = {"format": FORMAT, "isthmus": __version__, "about": dict(self.about)}
        write_json(self.out / MANIFEST, value | {"shards": dict(sorted(self.shards.items()))})


def stamp_of(source: Path) -> list[int]:
    """Values that show if a file, or one in a folder, was changed: number of files, bytes, latest time in ns."""
    files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
    stats = [patiently(path.stat) for path in files]
    return [len(stats), sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)]


def _made_by(about: Mapping[str, Any]) -> dict[str, Any]:
    """The values that the results depend on, without the path of the run."""
    return {name: value for name, value in about.items() if name != "run"}


def _read(path: Path) -> dict[str, Any]:
    """The manifest; empty if it is missing, unreadable or incomplete, so that all shards are processed again."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        entries = known["shards"].values()
        needed = NEEDED | OF_TASK.get(known["about"]["task"], set())
        return known if known["format"] == FORMAT and all(needed <= set(entry) for entry in entries) else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


__all__ = ["ShardManifest", "stamp_of"]
