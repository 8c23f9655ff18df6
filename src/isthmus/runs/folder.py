"""`Run`: a folder with a trained model and everything known about it; naming, finding and listing such folders."""

from __future__ import annotations

import csv
import json
import re
import shlex
import zipfile
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus import settings as configs
from isthmus.api import Tools
from isthmus.config import Config
from isthmus.errors import FolderInUseError, ModelFileError, UsageError, unknown
from isthmus.system import files
from isthmus.system.swapping import standing

if TYPE_CHECKING:
    from torch import nn

    from isthmus.models.autoencoder import Model
    from isthmus.runs.latent import Latent
    from isthmus.training.prepare import Prepared

HOME = Path("runs")
PICKLED = {".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib"}
RECORD, CONFIG, METRICS, HISTORY, MODEL = "run.json", "config.toml", "metrics.json", "history.csv", "model"
SKIPPED = "skipped.txt"
CHECKPOINT = "checkpoint"
JUDGED = ("data", "test", "baselines", "verdicts")  # of metrics.json: what everything that shows a run stands on
DONE = {"budget", "patience"}  # how a training ends that came to its end


class Run(Tools):
    """A run folder. `model`, `history`, `metrics`, `latent` … are read when first asked for; `Tools` holds methods."""

    def __init__(self, path: str | Path, *, module: nn.Module | None = None) -> None:
        self.path = Path(path)
        self._module = module

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @cached_property
    def model(self) -> Model:
        """The trained model, in evaluation mode. Raises: ModelFileError."""
        from isthmus.models.loading import load_model

        if not standing(self.path / MODEL).is_dir():
            message = f"{self.path} has no trained model yet."
            raise ModelFileError(
                "MODEL-MISSING", message, fix=f"finish its training with `isthmus resume {shlex.quote(str(self.path))}`"
            )
        return load_model(self.path / MODEL, module=self._module)

    @cached_property
    def config(self) -> Config:
        """All settings of the run."""
        path = self.path / CONFIG
        try:
            return configs.build(configs.read(path), where=str(path))
        except UsageError as error:  # nobody wrote these settings by hand: the file is damaged, or of another version
            raise ModelFileError("RUN-FILE", f"{path} cannot be used: {error.message}", fix=error.fix) from None

    @cached_property
    def record(self) -> dict[str, Any]:
        """`run.json`: command, versions, hardware, seed, data fingerprint, how it ended."""
        return _read_json(self.path / RECORD)

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
        from isthmus.runs.training_data import prepared_again

        return prepared_again(self)

    @cached_property
    def latent(self) -> Latent:
        """Moments and samples of its training codes, from `latent/`, or made of the training data where that is there.

        Raises: UsageError for a model without a code, DataError where the data is needed and cannot be read.
        """
        from isthmus.runs.training_data import latent_of

        return latent_of(self)

    def show(self, picture: str = "sanity") -> Path:
        """Where `picture` ("sanity", "curves", "worst" …) lies; in a notebook it is shown as well.

        Raises: UsageError with the pictures there are.
        """
        path = self.path / f"{picture}.png"
        if not path.is_file():
            raise unknown("picture", picture, [p.stem for p in self.path.glob("*.png")])
        from isthmus.evaluation.figures.cost_curves import show_picture

        show_picture(path)
        return path

    def write_record(self, **values: Any) -> None:
        """Adds values to `run.json`."""
        record = (self.record if (self.path / RECORD).is_file() else {}) | values
        files.write_json(self.path / RECORD, record)
        self.__dict__["record"] = record


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


def new_folder(out: str | Path | None, name: str) -> Path:
    """The folder for a new run: `out`, which must be new or empty, or the next free `runs/NAME-3`.

    Raises: FolderInUseError if `out` holds something already; nothing there is touched.
    """
    if out is not None:
        path = Path(out)
        if path.exists() and (not path.is_dir() or any(p.name != ".lock" for p in path.iterdir())):
            raise FolderInUseError(
                "FOLDER-EXISTS",
                f"{path} exists and is not empty.",
                fix=f"go on with it (`isthmus resume {shlex.quote(str(path))}`), or name another folder with --out",
            )
        return path
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"
    stem = stem[:80]  # file systems stop at 255 bytes, and the name may hold letters of four
    taken = [int(m[1]) for p in HOME.glob(f"{stem}-*") if (m := re.fullmatch(re.escape(stem) + r"-(\d+)", p.name))]
    while True:
        path = HOME / f"{stem}-{max(taken, default=0) + 1}"
        try:
            path.mkdir(parents=True)
            return path
        except FileExistsError:  # another process was faster
            taken.append(max(taken, default=0) + 1)
        except OSError as error:
            raise files.resource_error(path, error) from None


def find(name: str | Path) -> Run:
    """The run folder `name`: a path, a name under `runs/`, or `latest`.

    Raises: UsageError if there is no such run, with the runs there are; ModelFileError for a pickle or a foreign file.
    """
    if str(name) == "latest":
        runs = list_runs()
        if not runs:
            raise UsageError("USAGE-RUN", f"there are no runs in {HOME}/.", fix="train one with `isthmus train`")
        return runs[-1]
    for path in (Path(name), HOME / name):
        if (path / RECORD).is_file():
            return Run(path)
        if path.is_file():
            raise _foreign(path)
    names = [run.path.name for run in list_runs()]
    known = ", ".join(get_close_matches(str(name), names, n=3) or names[-5:])
    fix = f"use one of: {known}, or latest" if known else "train one with `isthmus train`"
    raise UsageError("USAGE-RUN", f"{name} is not a run folder (it has no {RECORD}).", fix=fix)


def _foreign(path: Path) -> ModelFileError:
    if path.suffix.lower() in PICKLED or _holds_pickle(path):
        message = f"{path} is a pickle, which can run code when it is opened; isthmus never opens one."
        fix = "load it in your own program and save its state_dict with safetensors, or train again with isthmus"
        return ModelFileError("MODEL-PICKLE", message, fix=fix)
    return ModelFileError(
        "MODEL-FOREIGN", f"{path} is a file, not a run folder.", fix="name the folder that `isthmus train` made"
    )


def _holds_pickle(path: Path) -> bool:
    """Whether it is a pickle under another name: bare, or in the zip archive that `torch.save` writes."""
    with path.open("rb") as file:
        if file.read(1) == b"\x80":  # how every pickle since protocol 2 begins
            return True
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith(".pkl") for name in archive.namelist())


def list_runs() -> list[Run]:
    """The runs under `runs/` and in the folders beside it, oldest first."""
    records = [*HOME.glob(f"*/{RECORD}"), *Path().glob(f"*/{RECORD}")]
    runs = []
    for path in records:
        run = Run(path.parent)
        try:
            runs.append((str(run.record.get("started", "")), path.stat().st_mtime, run))
        except ModelFileError:
            continue  # a broken folder must not hide the others
    return [run for *_, run in sorted(runs, key=lambda entry: entry[:2])]


def load(path: str | Path, *, module: nn.Module | None = None, device: str = "cpu") -> Model:
    """The trained model of a run folder, a model folder, or `latest`.

    `module`: an instance of your own class, where the run was made by `isthmus.fit(module, …)`.

    Raises: ModelFileError, UsageError.

        >>> model = isthmus.load("runs/a")              # doctest: +SKIP
        >>> z = model.encode(images)                    # doctest: +SKIP
    """
    from isthmus.models.loading import load_model

    folder = Path(path)
    if not (folder / files.MANIFEST).is_file():
        folder = find(path).path / MODEL
        if not standing(folder).is_dir():
            return find(path).model
    return load_model(folder, module=module, device=device)
