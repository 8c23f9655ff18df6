"""`Artifacts`: the folder `latent/` of a run, in parts that are written, verified and found out of date one by one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file

from isthmus.errors import FolderInUseError, ModelFileError, ResourceError, UsageError
from isthmus.models.abstract_model import WEIGHTS
from isthmus.system import files, regular
from isthmus.system.places import refuse_gone
from isthmus.system.tensors import save_tensors

FOLDER, MODEL = "latent", "model"


class Artifact(NamedTuple):
    """What lies in one part: plain values, and arrays by name."""

    about: dict[str, Any]
    arrays: dict[str, np.ndarray]


class Artifacts:
    """The parts of RUN/latent/: `codes`, `density`, `features/slant` …, each a folder with its own manifest.

    So adding one never rewrites another. A part remembers the weights that it was made with; for other ones it counts
    as not there.

    `weights`: the SHA-256 of those in memory that parts are made with and used beside (`Model.weights_sha256`; "" for
    weights that lie in no file, which no part fits). Without it, those that lie in the folder at each call: for who has
    no model in memory, or what does not depend on it.
    """

    def __init__(self, run_path: str | Path, weights: str | None = None) -> None:
        self.run_path, self._weights = Path(run_path), weights
        self.folder = self.run_path / FOLDER

    def put(self, name: str, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> Path:
        """Writes a part, over an older one of that name, atomically. `about` holds plain values, finite or None.

        Raises: UsageError for a name that is no file name; FolderInUseError where the folder holds other weights by
        now; ResourceError if it cannot be written, or the run is gone; ModelFileError for a link on the way.
        """
        folder = self._folder(name)
        refuse_gone(self.run_path)
        self._refuse_other_weights(name)
        values = files.finite_or_null({"format": files.FORMAT, "weights": self.weights, **about})
        text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        tensors = {key: torch.from_numpy(np.array(value)) for key, value in (arrays or {}).items()}
        contents: dict[str, Any] = {f"{folder.name}.json": lambda path: path.write_text(text, encoding="utf-8")}
        if tensors:
            contents[f"{folder.name}.safetensors"] = lambda path: save_tensors(path, tensors)
        return files.write_folder(folder, contents, within=self.run_path)

    def keep(self, name: str, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> None:
        """As `put`, for what can be made anew: where it cannot be written, or no longer fits, it is not kept."""
        with suppress(ResourceError, FolderInUseError):
            self.put(name, about, arrays)

    def get(self, name: str) -> Artifact:
        """The part, once its manifest was verified.

        Raises: ModelFileError where it is missing, damaged, or made with other weights.
        """
        folder = self._folder(name)
        if not folder.is_dir():
            raise ModelFileError("LATENT-MISSING", f"{self.run_path} has no {FOLDER}/{name}.", fix="make it first")
        try:
            files.verify_folder(folder)
            about = regular.read_json(folder / f"{folder.name}.json")
            holds = folder / f"{folder.name}.safetensors"
            part = Artifact(dict(about), load_file(holds) if holds.is_file() else {})
        except ModelFileError as error:
            error.fix = f"remove {folder}, which is made anew, or use another copy of it"
            raise
        except (OSError, ValueError, TypeError, SafetensorError) as error:
            fix = f"remove {folder}, which is made anew, or use another copy of it"
            raise ModelFileError("LATENT-FILE", f"{folder} cannot be read: {error}.", fix=fix) from None
        if part.about.get("weights") != self.weights:
            where = f"those in {self.run_path / MODEL}" if self._weights is None else "those that are in use"
            message = f"{folder} was made with other weights than {where}."
            raise ModelFileError("LATENT-STALE", message, fix=f"make it anew; {folder} can be removed")
        return part

    def has(self, name: str) -> bool:
        """Whether there is such a part, made with these weights; a damaged one is an error of `get`."""
        folder = self._folder(name)
        try:
            about = regular.read_json(folder / f"{folder.name}.json")
            return about.get("weights") == self.weights
        except FileNotFoundError:
            return folder.is_dir()
        except (OSError, ValueError, AttributeError):
            return True

    def names(self, within: str = "") -> list[str]:
        """The parts there are, sorted; of `within="features"` those below it, without that word."""
        folder = self._folder(within) if within else self.folder
        return sorted(path.parent.name for path in folder.glob(f"*/{files.MANIFEST}") if path.parent.name[0] != ".")

    @property
    def weights(self) -> str | None:
        """SHA-256 of the weights that parts are made with."""
        return self._in_folder if self._weights is None else self._weights

    @property
    def _in_folder(self) -> str | None:
        return files.stated(self.run_path / MODEL, WEIGHTS)

    def _refuse_other_weights(self, name: str) -> None:
        if self.weights != self._in_folder:
            message = f"{self.run_path} was trained on while {FOLDER}/{name} was made of its weights before."
            fix = "do it again: the run is then opened with its new weights"
            raise FolderInUseError("RUN-CHANGED", message, fix=fix)

    def _folder(self, name: str) -> Path:
        pieces = name.split("/")
        if len(pieces) > 2 or not all(re.fullmatch(r"\w[\w .+-]{0,79}", piece) for piece in pieces):
            message = f"{name!r} cannot be the name of something in {FOLDER}/."
            raise UsageError("USAGE-NAME", message, fix="use letters, digits, spaces, and . + - _")
        return self.folder.joinpath(*pieces)
