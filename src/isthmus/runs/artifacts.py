"""`Artifacts`: the folder `latent/` of a run. Each part is written, verified, and checked for staleness on its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file

from isthmus.errors import FolderInUseError, ModelFileError, ResourceError, UsageError
from isthmus.models.abstract_model import WEIGHTS
from isthmus.system import files, regular
from isthmus.system.places import refuse_gone, refuse_link, refuse_other_kinds
from isthmus.system.tensors import save_tensors
from isthmus.wording import shell_word

T = TypeVar("T")
FOLDER, MODEL = "latent", "model"
# The command that recreates a part after it was removed.
MAKERS = {
    "codes": "isthmus sample {run} -o OUT",
    "density": "isthmus sample {run} -o OUT",
    "classifier": "isthmus sample {run} -o OUT",
    "anomaly": "isthmus score {run} INPUT -o OUT",
    "steps": "isthmus score {run} INPUT -o OUT",
    "folds": "isthmus score {run} INPUT -o OUT --false-alarms 0.01",
    "map": "isthmus serve {run}",
    "features": "isthmus feature learn {run} {name} …",
}
# Written only by training, and what the tools lose without them.
OF_TRAINING = {
    "set": "the tools work without it, but report less",
    "training_rows": "the tools work without it, but report less",
    "fill_errors": "`isthmus impute` works without it, but fills in less accurate values",
}


class Artifact(NamedTuple):
    """The contents of one part: plain values, and arrays by name."""

    about: dict[str, Any]
    arrays: dict[str, np.ndarray]


class Artifacts:
    """The parts of RUN/latent/: `codes`, `density`, `features/slant` …, each a folder with its own manifest.

    Adding a part therefore never rewrites another. A part records the weights that it was made with; with any other
    weights it counts as missing.

    `weights`: the SHA-256 of the model in memory (`Model.weights_sha256`; "" for weights that were never saved, which
    match no part). None means the weights that are in the folder at each call: for callers without a model in memory,
    and for parts that do not depend on the model.
    """

    def __init__(self, run_path: str | Path, weights: str | None = None) -> None:
        self.run_path, self._weights = Path(run_path), weights
        self.folder = self.run_path / FOLDER

    def put(self, name: str, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> Path:
        """Writes a part atomically and replaces an older one of that name. `about` holds plain values, finite or None.

        Raises: UsageError for a name that is not a valid file name; FolderInUseError if the weights in the folder have
        changed; ResourceError if it cannot be written, or the run is gone; ModelFileError if its path has a link.
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
        """Like `put`, for a part that can be recreated: it is skipped if it cannot be written or no longer fits."""
        with suppress(ResourceError, FolderInUseError):
            self.put(name, about, arrays)

    def get(self, name: str) -> Artifact:
        """The part, after its manifest has been verified.

        Raises: ModelFileError if it is missing, damaged, or was made with other weights.
        """
        folder = self._folder(name)
        self._refuse_in_the_way(folder)
        if not folder.is_dir():
            fix = f"create it with `{self._maker(name)}`"
            raise ModelFileError("LATENT-MISSING", f"{self.run_path} has no {FOLDER}/{name}.", fix=fix)
        fix = self.remedy(name)
        try:
            files.verify_folder(folder, f"part of {FOLDER}/", fix)
            about = regular.read_json(folder / f"{folder.name}.json")
            holds = folder / f"{folder.name}.safetensors"
            part = Artifact(dict(about), load_file(holds) if holds.is_file() else {})
        except (OSError, ValueError, TypeError, SafetensorError) as error:
            raise ModelFileError("LATENT-FILE", f"{folder} cannot be read: {error}.", fix=fix) from None
        if part.about.get("weights") != self.weights:
            where = f"those in {self.run_path / MODEL}" if self._weights is None else "those in use now"
            message = f"{folder} was made with different weights than {where}."
            raise ModelFileError("LATENT-STALE", message, fix=fix)
        return part

    def read(self, name: str, parse: Callable[[Artifact], T]) -> T:
        """The part, passed through `parse`. Raises: like `get` and `parse`, with the fix for this part."""
        part = self.get(name)
        try:
            return parse(part)
        except ModelFileError as error:
            error.fix = self.remedy(name)
            raise

    def has(self, name: str) -> bool:
        """Whether the part exists and was made with these weights. A damaged part counts: `get` reports it."""
        folder = self._folder(name)
        self._refuse_in_the_way(folder)
        try:
            about = regular.read_json(folder / f"{folder.name}.json")
            return about.get("weights") == self.weights
        except FileNotFoundError:
            return folder.is_dir()
        except (OSError, ValueError, AttributeError):
            return True

    def names(self, within: str = "") -> list[str]:
        """The names of the parts in latent/ itself, sorted; with `within="features"`, of those in latent/features/."""
        folder = self._folder(within) if within else self.folder
        self._refuse_in_the_way(folder)
        return sorted(path.parent.name for path in folder.glob(f"*/{files.MANIFEST}") if path.parent.name[0] != ".")

    def remedy(self, name: str) -> str:
        """The fix for a part that cannot be used."""
        folder = shell_word(self._folder(name))
        if name in OF_TRAINING:
            return f"remove it with `rm -r {folder}`; {OF_TRAINING[name]}"
        return f"remove it with `rm -r {folder}`; `{self._maker(name)}` recreates it"

    @property
    def weights(self) -> str | None:
        """SHA-256 of the weights that belong to the parts."""
        return self._in_folder if self._weights is None else self._weights

    @property
    def _in_folder(self) -> str | None:
        return files.stated(self.run_path / MODEL, WEIGHTS)

    def _refuse_other_weights(self, name: str) -> None:
        if self.weights != self._in_folder:
            message = f"{self.run_path} was trained further while {FOLDER}/{name} was being made from its old weights."
            fix = "run it again: the new weights are then used"
            raise FolderInUseError("RUN-CHANGED", message, fix=fix)

    def _maker(self, name: str) -> str:
        first, _, below = name.partition("/")
        maker = MAKERS.get(first, "isthmus train --config {run}/config.toml")
        return maker.format(run=shell_word(self.run_path), name=shell_word(below))

    def _refuse_in_the_way(self, folder: Path) -> None:
        """Raises: ModelFileError if the path from the run to a part has a link, or something that is not a folder."""
        for place in (folder, *folder.parents):
            if place == self.run_path:
                break
            refuse_link(place)
            refuse_other_kinds(place)

    def _folder(self, name: str) -> Path:
        pieces = name.split("/")
        if len(pieces) > 2 or not all(re.fullmatch(r"\w[\w .+-]{0,79}", piece) for piece in pieces):
            message = f"{name!r} is not a valid name for a part of {FOLDER}/."
            fix = "begin with a letter or digit; use at most 80 letters, digits, spaces, and . + - _"
            raise UsageError("USAGE-NAME", message, fix=fix)
        return self.folder.joinpath(*pieces)
