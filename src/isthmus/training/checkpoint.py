"""Checkpoints for `resume`, committed so that a crash at any time leaves the old checkpoint or the new one.

Each is a folder `step-000123/` with a manifest, written under another name and then renamed; `latest` is a small text
file. The previous checkpoint is kept as well, in case the newest one is damaged.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from isthmus.errors import ModelFileError
from isthmus.system import files, regular
from isthmus.system.anchoring import anchored
from isthmus.system.places import guard, refuse_link
from isthmus.system.swapping import remove
from isthmus.system.tensors import save_tensors

KEPT = 2
STATE = "state.json"


class Checkpoints:
    """The checkpoints in `folder`: `save` commits one, `load` returns the newest intact one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> Path:
        """Commits named groups of tensors (one .safetensors file each) and a JSON state.

        The parent folder must exist: a deleted run is not created again.

        Raises: ResourceError if the disk is full or not writable; older checkpoints are not changed. Errors of
        `places.guard` if the parent folder is gone, or if the path contains a link.
        """
        writers = {f"{group}.safetensors": partial(save_tensors, tensors=values) for group, values in tensors.items()}
        text = json.dumps(files.finite_or_null(dict(state)), indent=1)
        folder = self.folder / f"step-{step:09d}"
        writers |= {STATE: lambda path: path.write_text(text, encoding="utf-8")}
        files.write_folder(folder, writers, within=self.folder.parent)
        files.write_text(self.folder / "latest", folder.name + "\n", within=self.folder.parent)
        # What cannot be removed now is removed after the next save.
        with suppress(OSError), anchored(self.folder, self.folder.parent) as place:
            for old in _folders(place)[:-KEPT]:
                remove(old)
        return folder

    def load(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]] | None:
        """(tensors, state) of the newest intact checkpoint; None if there is none.

        A damaged checkpoint is renamed, with a warning, and the previous one is used, if there is one.

        Raises: ModelFileError if `folder` is a link, or if a newer version of isthmus wrote a checkpoint.
        """
        refuse_link(self.folder)
        kept = _folders(self.folder)
        while kept:
            folder = kept.pop()
            try:
                files.verify_folder(folder)
            except ModelFileError as error:
                if error.code == "MODEL-VERSION":
                    raise
                aside = self._moved_aside(folder)
                rest = "the previous checkpoint is used" if kept else "no other checkpoint is left"
                warnings.warn(f"{error.message} It was moved to {aside.name}; {rest}.", stacklevel=2)
                continue
            tensors = {path.stem: load_file(path) for path in folder.glob("*.safetensors")}
            return tensors, regular.read_json(folder / STATE)
        return None

    def _moved_aside(self, folder: Path) -> Path:
        aside = folder.with_name(f"damaged-{folder.name}")
        try:
            guard(aside, self.folder.parent)
            remove(aside)
            folder.rename(aside)
        except OSError as error:
            raise files.resource_error(folder, error) from None
        return aside


def _folders(place: Path) -> list[Path]:
    """The folders that `save` wrote, without links and other files."""
    found = [path for path in place.glob("step-*") if re.fullmatch(r"step-\d+", path.name)]
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())
