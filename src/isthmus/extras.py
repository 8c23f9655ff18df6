"""The command that installs what an optional part needs, written so that it works where it is read.

`isthmus[web]` tells pip nothing that it could find, since the package is on no index: a checkout is named by its path,
and elsewhere the packages themselves are named.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

NAME = "isthmus"


def installing(extra: str) -> str:
    """A command for the shell that installs the extra into this environment; what is there already, pip passes over."""
    where = _checkout()
    wanted = _packages(extra) if where is None else ["-e", f"{where}[{extra}]"]
    return " ".join(_quoted(word) for word in [*_install(), *wanted])


def _checkout() -> Path | None:
    """The folder that this package is edited in; None where it was installed for good."""
    import importlib.metadata  # late, as urllib: both are slow to import, and only a message asks for them
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        text = importlib.metadata.distribution(NAME).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:  # found by PYTHONPATH
        return Path(__file__).parents[2]
    origin = json.loads(text or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(url2pathname(urlsplit(origin["url"]).path))


def _packages(extra: str) -> list[str]:
    """`["fastapi>=0.120.1", …]`, as the package declares them."""
    import importlib.metadata

    parted = [text.partition(";") for text in importlib.metadata.requires(NAME) or []]
    return [package.strip() for package, _, marker in parted if f"extra == '{extra}'" in marker.replace('"', "'")]


def _install() -> list[str]:
    """The words before the packages; `pip` alone only where the shell finds this environment's own."""
    found = shutil.which("pip")
    if found and sys.prefix != sys.base_prefix and Path(found).parent.samefile(Path(sys.executable).parent):
        return ["pip", "install"]
    if find_spec("pip") is None and shutil.which("uv"):  # uv makes environments without pip
        return ["uv", "pip", "install", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install"]


def _quoted(word: str) -> str:
    if os.name == "nt" and shlex.quote(word) != word:  # single quotes mean nothing to Windows' shell
        return f'"{word}"'
    return shlex.quote(word)
