"""`RUN/MANIFEST.json`: SHA-256 of record, settings, metrics and history, so that any change in them is detected.

The manifest is updated before the file, and keeps the checksum of the previous content. So if a process is killed
between the two, the manifest still matches the old file, and afterwards it matches the new one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from isthmus.errors import ModelFileError
from isthmus.system import files, regular
from isthmus.version import __version__

OF = "run"  # the kind of the manifest, which those of models and checkpoints do not have
ENTRY = ("bytes", "sha256", "before")  # the values for each file
# The errors if something else is in its place.
WRONG = (regular.NotAFile, ValueError, KeyError, TypeError, AttributeError, OverflowError)
REREAD_MOST = 20  # how often a file is read again because it is being written

Stated = dict[str, dict[str, Any]]


def write_text(path: Path, text: str, *, begin: bool = True) -> Path:
    """Writes a file of a run folder atomically, and its checksum into the manifest next to it.

    `begin`: whether a folder without a manifest gets one; otherwise only the file is written there.

    Raises: ResourceError; with `begin`, ModelFileError before anything is written, for an invalid manifest.
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
    """Like `write_text`, for a value as JSON, in the form of `files.write_json`."""
    return write_text(path, files.json_text(value))


def read_bytes(path: Path) -> bytes:
    """The content of a file of a run folder, checked against the manifest if there is one.

    Raises: ModelFileError if it cannot be read, is not a file, or was changed after isthmus wrote it.
    """
    content, as_written = look(path)
    if as_written is False:
        manifest = path.parent / files.MANIFEST
        message = f"{path} was changed after isthmus wrote it: its checksum differs from the one in {manifest.name}."
        fix = f"use another copy of it, or remove {manifest} to use the file as it is"
        raise ModelFileError("RUN-FILE", message, fix=fix)
    return content


def look(path: Path) -> tuple[bytes, bool | None]:
    """The content, and whether it is what isthmus wrote; None if no manifest lists the file.

    Raises: ModelFileError if the file or the manifest cannot be read or is not a file.
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
        if known == seen:  # nobody wrote in between, so this is not the middle of a change
            break
        seen = known
    return content, False


def stated(folder: Path) -> Stated | None:
    """The entries of the manifest of a run folder; None if there is none, as in runs of older versions.

    Raises: ModelFileError for a manifest that cannot be read, is damaged, or does not belong to a run.
    """
    try:
        return _entries(folder)
    except (OSError, *WRONG) as error:
        raise _no_manifest(folder, error) from None


def unreadable(path: Path, error: Exception) -> ModelFileError:
    """The error for a file of a run folder that cannot be read or has invalid content."""
    fix = "replace it with the file from another copy of the run"
    if isinstance(error, PermissionError):
        fix = "give yourself permission to read it"
    return ModelFileError("RUN-FILE", f"{path} cannot be read: {regular.reason(error)}.", fix=fix)


def _entries(folder: Path) -> Stated | None:
    """Like `stated`. Raises: OSError if it cannot be read; WRONG if it is not the manifest of a run; ModelFileError if
    a newer version of isthmus wrote it."""
    try:
        manifest = regular.read_json(folder / files.MANIFEST)
    except FileNotFoundError:
        return None
    files.refuse_newer(folder / files.MANIFEST, int(manifest.get("format", 0)), manifest)
    if manifest["of"] != OF:
        raise ValueError("it is not the manifest of a run")
    return {str(name): {k: about[k] for k in ENTRY} for name, about in manifest["files"].items()}


def _no_manifest(folder: Path, error: Exception) -> ModelFileError:
    told = f"{error} is missing" if isinstance(error, KeyError) else regular.reason(error)
    fix = "use another copy of it, or remove it: the run is then read without checksums"
    return ModelFileError("RUN-FILE", f"{folder / files.MANIFEST} cannot be read: {told}.", fix=fix)


def _before(path: Path, entry: dict[str, Any] | None) -> str | None:
    """The checksum of the current content; for a file that was changed meanwhile, the one that it should have."""
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
