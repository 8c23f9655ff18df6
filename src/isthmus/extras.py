"""The command that installs an extra, written so that it works in the reader's environment.

pip cannot find `isthmus[web]`, because the package is on no index. So the command names the path of the checkout or,
if there is none, the packages of the extra.
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
    """A shell command that installs the extra into this environment; pip skips what is already there."""
    where = _checkout()
    wanted = _packages(extra) if where is None else ["-e", f"{where}[{extra}]"]
    return " ".join(_quoted(word) for word in [*_install(), *wanted])


def _checkout() -> Path | None:
    """The folder of an editable install; None if the package was installed normally."""
    import importlib.metadata  # late, like urllib: both are slow to import, and only messages need them
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
    """The words before the packages; plain `pip` only if the shell finds the pip of this environment."""
    found = shutil.which("pip")
    if found and sys.prefix != sys.base_prefix and Path(found).parent.samefile(Path(sys.executable).parent):
        return ["pip", "install"]
    if find_spec("pip") is None and shutil.which("uv"):  # uv creates environments without pip
        return ["uv", "pip", "install", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install"]


def _quoted(word: str) -> str:
    if os.name == "nt" and shlex.quote(word) != word:  # the Windows shell does not know single quotes
        return f'"{word}"'
    return shlex.quote(word)
