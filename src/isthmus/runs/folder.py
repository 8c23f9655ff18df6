"""`RunFolder`: a folder with a trained model and everything known about it."""

from __future__ import annotations

import csv
import json
import shlex
import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from isthmus import settings as configs
from isthmus.config import Config
from isthmus.errors import FolderInUseError, ModelFileError, ResourceError, UsageError
from isthmus.system import files
from isthmus.system.lock import is_held
from isthmus.system.places import RECORD
from isthmus.system.swapping import standing

if TYPE_CHECKING:
    from torch import nn

    from isthmus.models.autoencoder import Model
    from isthmus.runs.artifacts import Artifacts
    from isthmus.runs.latent import Latent
    from isthmus.training.prepared import Prepared

CONFIG, METRICS, HISTORY, MODEL = "config.toml", "metrics.json", "history.csv", "model"
SKIPPED = "skipped.txt"
CHECKPOINT = "checkpoint"
JUDGED = ("data", "test", "baselines", "verdicts")  # of metrics.json: what everything that shows a run stands on
DONE = {"budget", "patience"}  # how a training ends that came to its end


class RunFolder:
    """A run folder. `model`, `history`, `metrics`, `latent` … are read when they are first asked for.

    `module`: an instance of the class that was trained, where that is a caller's own. `model` and `prepared`: the
    trained model and its data, from whoever has them already, so that they are not read again.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        module: nn.Module | None = None,
        model: Model | None = None,
        prepared: Prepared | None = None,
    ) -> None:
        self.path, self.module = Path(path), module
        self.given_model, self.given_prepared = model, prepared
        self._record: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @cached_property
    def model(self) -> Model:
        """The trained model, in evaluation mode. Raises: ModelFileError."""
        from isthmus.models.loading import load_model  # late: PyTorch is slow to import

        if self.given_model is not None:
            return self.given_model
        if not standing(self.path / MODEL).is_dir():
            message = f"{self.path} has no trained model yet."
            raise ModelFileError(
                "MODEL-MISSING", message, fix=f"finish its training with `isthmus resume {shlex.quote(str(self.path))}`"
            )
        return load_model(self.path / MODEL, module=self.module)

    @cached_property
    def config(self) -> Config:
        """All settings of the run."""
        path = self.path / CONFIG
        try:
            return configs.build(configs.read(path), where=str(path))
        except UsageError as error:  # nobody wrote these settings by hand: the file is damaged, or of another version
            raise ModelFileError("RUN-FILE", f"{path} cannot be used: {error.message}", fix=error.fix) from None

    @property
    def record(self) -> dict[str, Any]:
        """`run.json`: command, versions, hardware, seed, data fingerprint, how it ended."""
        if self._record is None:
            self._record = _read_json(self.path / RECORD)
        return self._record

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """`metrics.json`; empty before the run has been judged."""
        return _read_json(self.path / METRICS, JUDGED) if (self.path / METRICS).is_file() else {}

    @property
    def is_judged(self) -> bool:
        """Whether metrics and pictures are those of the trained model."""
        return bool(self.record.get("judged", True) and self.metrics)

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """A dict an epoch, from `history.csv`."""
        if not (self.path / HISTORY).is_file():
            return []
        with (self.path / HISTORY).open(newline="", encoding="utf-8") as file:
            return [
                {k: int(v) if k == "epoch" else float(v or "nan") for k, v in row.items()}
                for row in csv.DictReader(file)
            ]

    @cached_property
    def prepared(self) -> Prepared:
        """The data it was trained on, read again, with the settings. Raises: DataError if it is gone or has changed."""
        from isthmus.runs.training_data import read_again  # late: PyTorch is slow to import

        if self.given_prepared is not None:
            return self.given_prepared
        return read_again(self.path, self.config, self.record, self.model.preprocess)

    @cached_property
    def latent(self) -> Latent:
        """Moments and samples of its training codes, from `latent/`, or made of the training data where that is there.

        Raises: UsageError for a model without a code, DataError where the data is needed and cannot be read.
        """
        from isthmus.runs.latent import Latent, refuse_without_code  # late: PyTorch is slow to import

        refuse_without_code(self.model)
        if Latent.is_kept(self.path, self.weights):
            return Latent.load(self.path, self.weights)
        latent = Latent.build(self.prepared, self.model)
        with suppress(ResourceError, FolderInUseError):  # the disk is full, or the run was trained on
            latent.write(self.path, self.weights)
        return latent

    @property
    def artifacts(self) -> Artifacts:
        """What tools keep in `latent/`, of the weights that `model` has. Raises: as `model`."""
        from isthmus.runs.artifacts import Artifacts  # late: PyTorch is slow to import

        return Artifacts(self.path, self.weights)

    @property
    def weights(self) -> str:
        """SHA-256 of the weights that `model` has, which is not what the folder holds once the run was trained on; ""
        for weights that lie in no file. Raises: as `model`."""
        return self.model.weights_sha256 or ""

    def is_replaced(self) -> bool:
        """Whether the folder holds other weights than `model`, which was read before, and nobody trains there now."""
        model = self.given_model or self.__dict__.get("model")
        if model is None:
            return False
        from isthmus.models.autoencoder import WEIGHTS  # late: PyTorch is slow to import

        found = files.stated(self.path / MODEL, WEIGHTS)
        return found not in (None, model.saved_as) and not is_held(self.path)

    def current(self) -> Self:
        """This run with the weights that its folder holds now: what was read before is forgotten if they were replaced
        since, and a warning says so. Data that was handed over stays, as a run goes on with no other."""
        if self.is_replaced():
            self.given_model = self._record = None
            for name in ("model", "config", "metrics", "history", "prepared", "latent"):
                self.__dict__.pop(name, None)
            message = (
                f"{self.path} was trained on since it was opened: its new weights are used; older codes do not fit"
            )
            warnings.warn(message, RuntimeWarning, stacklevel=3)
        return self

    @property
    def how_to_go_on(self) -> str:
        """The command, or the call where data or module are the caller's, that goes on with the run."""
        from isthmus.training.prepared import IN_MEMORY  # late: PyTorch is slow to import

        needed = ["data=…"] * (self.config.data.source == IN_MEMORY) + ["module=…"] * bool(self.record.get("module"))
        if needed:
            return f"isthmus.resume({', '.join([repr(str(self.path)), *needed])})"
        return f"isthmus resume {shlex.quote(str(self.path))}"

    def write_record(self, **values: Any) -> None:
        """Adds values to `run.json`."""
        record = (self.record if (self.path / RECORD).is_file() else {}) | values
        files.write_json(self.path / RECORD, record, within=self.path)
        self._record = record


def _read_json(path: Path, needed: Sequence[str] = ()) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        version = int(value.get("format", 0))
        if missing := [key for key in needed if key not in value]:
            raise ValueError(f"it has no {', '.join(map(repr, missing))}")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ModelFileError("RUN-FILE", f"{path} cannot be read: {error}.", fix="restore that file") from None
    if version > files.FORMAT:
        message = f"{path} has format {version}; this isthmus reads up to {files.FORMAT}."
        raise ModelFileError("MODEL-VERSION", message, fix="install a newer isthmus")
    return value
