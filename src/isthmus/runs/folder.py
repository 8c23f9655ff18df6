"""`RunFolder`: a folder with a trained model and everything known about it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from isthmus import settings as configs
from isthmus.config import Config
from isthmus.errors import FolderInUseError, ModelFileError, ResourceError, UsageError
from isthmus.runs.stored import CONFIG, HISTORY, METRICS, MODEL, RECORD, read_history, read_metrics, read_record
from isthmus.system import checksums, files
from isthmus.system.lock import is_held
from isthmus.system.places import refuse_link, refuse_other_kinds
from isthmus.system.progress import tell
from isthmus.system.swapping import standing
from isthmus.wording import shell_word

if TYPE_CHECKING:
    from torch import nn

    from isthmus.models.abstract_model import AbstractModel
    from isthmus.models.autoencoder import Model
    from isthmus.runs.artifacts import Artifacts
    from isthmus.runs.latent import Latent
    from isthmus.training.prepared import Prepared

T = TypeVar("T")
SKIPPED = "skipped.txt"
CHECKPOINT = "checkpoint"
DONE = {"budget", "patience", "request"}  # how a completed training ends


class RunFolder:
    """A run folder. `model`, `history`, `metrics`, `latent` … are read on first access.

    `module`: an instance of the trained class, if it is the caller's own. `model` and `prepared`: the trained model and
    its data, if the caller already has them, so that they are not read again.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        module: nn.Module | None = None,
        model: AbstractModel | None = None,
        prepared: Prepared | None = None,
    ) -> None:
        self.path, self.module = Path(path), module
        self.given_model, self.given_prepared = model, prepared
        self._record: dict[str, Any] | None = None
        self._read: dict[str, tuple[Any, Any]] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @cached_property
    def model(self) -> AbstractModel:
        """The trained model, in evaluation mode. Raises: ModelFileError."""
        from isthmus.models.loading import load_model  # late: PyTorch is slow to import

        if self.given_model is not None:
            return self.given_model
        if not self.has_model:
            message = f"{self.path} has no trained model yet."
            raise ModelFileError(
                "MODEL-MISSING", message, fix=f"finish its training with `isthmus resume {shell_word(self.path)}`"
            )
        return load_model(self.path / MODEL, module=self.module)

    @property
    def has_model(self) -> bool:
        """Whether the folder has a trained model. Raises: ModelFileError for a link or a file in its place."""
        refuse_link(self.path / MODEL)
        refuse_other_kinds(self.path / MODEL)
        return standing(self.path / MODEL).is_dir()

    @property
    def coder(self) -> Model:
        """The trained model, if it has a code. Raises: UsageError for a denoiser, which has none; like `model`."""
        from isthmus.models.autoencoder import coded  # late: PyTorch is slow to import

        return coded(self.model)

    @cached_property
    def config(self) -> Config:
        """All settings of the run."""
        path = self.path / CONFIG
        try:
            text = checksums.look(path)[0].decode("utf-8")
            return configs.build(configs.parse(text, str(path)), where=str(path))
        except UnicodeDecodeError as error:
            raise checksums.unreadable(path, error) from None
        except UsageError as error:  # most likely damaged, or from another version
            raise ModelFileError("RUN-FILE", f"{path} cannot be used: {error.message}", fix=error.fix) from None

    @property
    def is_edited(self) -> bool:
        """Whether `config.toml` was changed outside isthmus, according to the manifest."""
        return checksums.look(self.path / CONFIG)[1] is False

    @property
    def record(self) -> dict[str, Any]:
        """`run.json`: command, versions, hardware, seed, data fingerprint, how it ended."""
        if self._record is None:
            self._record = read_record(self.path / RECORD)
        return self._record

    @property
    def metrics(self) -> dict[str, Any]:
        """The current `metrics.json`; empty before the run has been judged."""
        return self._read_once(METRICS, read_metrics, {})

    def _read_once(self, name: str, read: Callable[[Path], T], absent: T) -> T:
        """The contents of a file in the folder; it is read again after the file has changed."""
        try:
            about = os.lstat(self.path / name)
        except OSError:
            return read(self.path / name) if os.path.lexists(self.path / name) else absent
        stamp = about.st_ino, about.st_size, about.st_mtime_ns
        if self._read.get(name, (None,))[0] != stamp:
            self._read[name] = stamp, read(self.path / name)
        return self._read[name][1]

    def refuse_broken(self) -> None:
        """Reads record, metrics and history, and checks the settings without parsing them. Raises: ModelFileError for
        the first broken one."""
        _ = self.record, self.metrics, self.history, self.is_edited

    @property
    def is_judged(self) -> bool:
        """Whether metrics and pictures belong to the trained model."""
        return bool(self.record.get("judged", True) and self.metrics)

    @property
    def history(self) -> list[dict[str, float]]:
        """One dict per epoch, from the current `history.csv`."""
        return self._read_once(HISTORY, read_history, [])

    @cached_property
    def prepared(self) -> Prepared:
        """The training data, read again, with the settings. Raises: DataError if the data is gone or has changed."""
        from isthmus.runs.training_data import read_again  # late: PyTorch is slow to import

        if self.given_prepared is not None:
            return self.given_prepared
        tell("reading the data of the run")
        return read_again(self.path, self.config, self.record, self.model.preprocess)

    @cached_property
    def latent(self) -> Latent:
        """Moments and samples of its training codes, from `latent/`, or computed from the training data if it is there.

        Raises: UsageError for a model without a code, DataError if the data is needed and cannot be read.
        """
        from isthmus.runs.latent import Latent, refuse_without_code  # late: PyTorch is slow to import

        refuse_without_code(self.model)
        if Latent.is_kept(self.path, self.weights):
            return Latent.load(self.path, self.weights)
        latent = Latent.build(self.prepared, self.coder)
        with suppress(ResourceError, FolderInUseError):  # the disk is full, or the run was trained further
            latent.write(self.path, self.weights)
        return latent

    @property
    def artifacts(self) -> Artifacts:
        """The parts in `latent/` that belong to the weights of `model`. Raises: like `model`."""
        from isthmus.runs.artifacts import Artifacts  # late: PyTorch is slow to import

        return Artifacts(self.path, self.weights)

    @property
    def weights(self) -> str:
        """SHA-256 of the weights of `model`; those in the folder differ after further training. "" for weights that
        were never saved. Raises: like `model`."""
        return self.model.weights_sha256 or ""

    def is_replaced(self) -> bool:
        """Whether the weights in the folder were replaced after `model` was read, and no training is running there."""
        model = self.given_model or self.__dict__.get("model")
        if model is None:
            return False
        from isthmus.models.abstract_model import WEIGHTS  # late: PyTorch is slow to import

        found = files.stated(self.path / MODEL, WEIGHTS)
        return found not in (None, model.saved_as) and not is_held(self.path)

    def current(self) -> Self:
        """This run with the weights that its folder holds now: if they were replaced since they were read, a warning
        says so and everything is read again. Data that the caller passed stays, because a run never changes its data.
        """
        if self.is_replaced():
            self.given_model = self._record = None
            for name in ("model", "config", "prepared", "latent"):
                self.__dict__.pop(name, None)
            message = (
                f"{self.path} was trained further after it was opened; its new weights are used, and older codes do not"
                " match them"
            )
            warnings.warn(message, RuntimeWarning, stacklevel=3)
        return self

    @property
    def how_to_go_on(self) -> str:
        """The command that resumes the run, or the Python call if data or module are the caller's."""
        from isthmus.training.prepared import IN_MEMORY  # late: PyTorch is slow to import

        about = self.config.data
        needed = [f"{name}=…" for name, at in (("data", about.source), ("target", about.target)) if at == IN_MEMORY]
        needed += ["module=…"] * bool(self.record.get("module"))
        if needed:
            return f"isthmus.resume({', '.join([repr(str(self.path)), *needed])})"
        return f"isthmus resume {shell_word(self.path)}"

    def write_record(self, **values: Any) -> None:
        """Adds values to `run.json`."""
        record = (self.record if os.path.lexists(self.path / RECORD) else {}) | values
        checksums.write_json(self.path / RECORD, record)
        self._record = record


__all__ = ["CHECKPOINT", "CONFIG", "DONE", "HISTORY", "METRICS", "MODEL", "RECORD", "SKIPPED", "RunFolder"]
