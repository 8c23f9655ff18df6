"""Where data sets lie: the folder that was named, `$ISTHMUS_DATA`, and the cache that downloads go to."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from isthmus.config import DataConfig
from isthmus.errors import UsageError


def cache_folder() -> Path:
    """`$ISTHMUS_CACHE`, else the system's folder for what can be fetched again."""
    named = os.environ.get("ISTHMUS_CACHE")
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "isthmus" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "isthmus"
    named = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(named) if os.path.isabs(named) else Path.home() / ".cache") / "isthmus"  # the standard: absolute only


def data_folders(options: DataConfig) -> list[Path]:
    """Folders in which a named set is looked for, first the one that was named; those that exist.

    Raises: UsageError if `--data-dir` names none.
    """
    folders = []
    if options.data_dir is not None:
        folder = Path(options.data_dir).expanduser()
        if not folder.is_dir():
            raise UsageError("USAGE-FOLDER", f"--data-dir: there is no folder {folder}.", fix="check the path")
        folders.append(folder)
    if os.environ.get("ISTHMUS_DATA"):
        folders.append(Path(os.environ["ISTHMUS_DATA"]).expanduser())
    return [folder for folder in dict.fromkeys([*folders, cache_folder()]) if folder.is_dir()]
