"""`RUN/MANIFEST.json`: SHA-256 of record, settings, metrics and history, so that a changed digit in them is seen.

The manifest is renewed before the file that it speaks of, and keeps the sum of the content before. So a process that is
killed between the two leaves a file that the manifest knows, the old one, and one that is killed after them the new.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from isthmus.errors import ModelFileError
from isthmus.system import files, regular
from isthmus.version import __version__

OF = "run"  # what the manifest is of; the manifests of models and checkpoints do not say
ENTRY = ("bytes", "sha256", "before")  # what it says of each file
# What comes of something else in its place.
WRONG = (regular.NotAFile, ValueError, KeyError, TypeError, AttributeError, OverflowError)
REREAD_MOST = 20  # times that a file is read again because it is being written just now

Stated = dict[str, dict[str, Any]]


def write_text(path: Path, text: str, *, begin: bool = True) -> Path:
    """Writes a file of a run folder atomically, and its sum into the manifest beside it.

    `begin`: whether a folder without a manifest gets one; otherwise the file alone is written there.

    Raises: ResourceError; ModelFileError, before anything is written, for a manifest that is not ours: with `begin`.
    """
    content = text.encode("utf-8")
    try:
        known = _entries(path.parent)
    except WRONG as error:
        if begin:
            raise _no_manifest(path.parent, error) from None
        known = None
    except OSError as error:
        raise files.resource_error(path, error) from None
    if known is not None or begin:
        known = known or {}
        entry = {"bytes": len(content), "sha256": _sum(content), "before": _before(path, known.get(path.name))}
        manifest = {"format": files.FORMAT, "isthmus": __version__, "of": OF, "files": known | {path.name: entry}}
        files.write_json(path.parent / files.MANIFEST, manifest, within=path.parent)
    return files.write_atomic(path, lambda part: part.write_bytes(content), within=path.parent)


def write_json(path: Path, value: Any) -> Path:
    """As `write_text`, a value in the form that `files.write_json` gives it."""
    return write_text(path, files.json_text(value))


def read_bytes(path: Path) -> bytes:
    """The content of a file of a run folder, which is the one that isthmus wrote where a manifest says so.

    Raises: ModelFileError for what cannot be read, is no file, or was changed since.
    """
    content, as_written = look(path)
    if as_written is False:
        manifest = path.parent / files.MANIFEST
        message = f"{path} was changed after isthmus wrote it: it is not the content that {manifest.name} states."
        fix = f"use another copy of it, or remove {manifest} to take the file as it is"
        raise ModelFileError("RUN-FILE", message, fix=fix)
    return content


def look(path: Path) -> tuple[bytes, bool | None]:
    """The content, and whether it is the one that was written; None where no manifest states it.

    Raises: ModelFileError for what cannot be read or is no file, the manifest too.
    """
    seen: Stated | None = None
    for _ in range(REREAD_MOST):
        try:
            content = regular.read_bytes(path)
        except OSError as error:
            raise unreadable(path, error) from None
        known = stated(path.parent) or {}
        entry = known.get(path.name)
        if entry is None:
            return content, None
        if _sum(content) in (entry["sha256"], entry["before"]):
            return content, True
        if known == seen:  # nobody wrote in between, so it is no half of a change
            break
        seen = known
    return content, False


def stated(folder: Path) -> Stated | None:
    """What the manifest of a run folder says of each file; None where there is none, as in runs of older versions.

    Raises: ModelFileError for one that cannot be read, is damaged, or of something else than a run.
    """
    try:
        return _entries(folder)
    except (OSError, *WRONG) as error:
        raise _no_manifest(folder, error) from None


def unreadable(path: Path, error: Exception) -> ModelFileError:
    """The error for a file of a run folder that cannot be read or does not hold what it should."""
    fix = "put the file itself in its place, from another copy of the run"
    if isinstance(error, PermissionError):
        fix = "give yourself the right to read it"
    return ModelFileError("RUN-FILE", f"{path} cannot be read: {regular.reason(error)}.", fix=fix)


def _entries(folder: Path) -> Stated | None:
    """As `stated`. Raises: OSError where it cannot be read; WRONG for what is not the manifest of a run;
    ModelFileError for that of a later isthmus."""
    try:
        manifest = regular.read_json(folder / files.MANIFEST)
    except FileNotFoundError:
        return None
    files.refuse_newer(folder / files.MANIFEST, int(manifest.get("format", 0)), manifest)
    if manifest["of"] != OF:
        raise ValueError("it is not of a run")
    return {str(name): {k: about[k] for k in ENTRY} for name, about in manifest["files"].items()}


def _no_manifest(folder: Path, error: Exception) -> ModelFileError:
    told = f"{error} is missing" if isinstance(error, KeyError) else regular.reason(error)
    fix = "use another copy of it, or remove it: the run is then read without its checksums"
    return ModelFileError("RUN-FILE", f"{folder / files.MANIFEST} cannot be read: {told}.", fix=fix)


def _before(path: Path, entry: dict[str, Any] | None) -> str | None:
    """The sum of what lies there now; of a file that was changed since, the one that it should have."""
    try:
        now = _sum(regular.read_bytes(path))
    except OSError:
        now = None
    if entry is None or now in (entry["sha256"], entry["before"]):
        return now
    return entry["sha256"]


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


__all__ = ["look", "read_bytes", "stated", "unreadable", "write_json", "write_text"]
