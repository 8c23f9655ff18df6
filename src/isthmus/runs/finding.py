"""Naming, finding and listing run folders, and loading the model of one."""

from __future__ import annotations

import errno
import os
import re
import zipfile
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from isthmus.config import PHOTO
from isthmus.errors import FolderInUseError, ModelFileError, UsageError
from isthmus.runs.folder import MODEL, RECORD, RunFolder
from isthmus.system import files
from isthmus.wording import shell_word, shortened

if TYPE_CHECKING:
    from torch import nn

HOME = Path("runs")
PLAN = "plan.json"  # of a comparison or a sweep; its runs are in folders next to it
PICKLED = {".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib"}


def new_folder(out: str | Path | None, name: str) -> Path:
    """The folder for a new run: `out`, which must be new or empty, or the next free `runs/NAME-3`.

    Raises: FolderInUseError if `out` is not empty; nothing in it is touched.
    """
    if out is not None:
        path = Path(out)
        if os.path.exists(path) and (not path.is_dir() or any(p.name != ".lock" for p in path.iterdir())):
            fix = "name another folder with --out"
            if os.path.lexists(path / RECORD):
                fix = f"continue that run (`isthmus resume {shell_word(path)}`), or {fix}"
            what = "empty" if path.is_dir() else "a folder"
            raise FolderInUseError("FOLDER-EXISTS", f"{path} exists and is not {what}.", fix=fix)
        return path
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "run"
    stem = stem[:80]  # file systems allow 255 bytes, and a character can take four
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


def find(name: str | Path) -> RunFolder:
    """The run folder `name`: a path, a name under `runs/`, or `latest`.

    Raises: UsageError that lists existing runs if there is no such run; ModelFileError for a pickle or another file.
    """
    if str(name) == "latest":
        runs = list_runs()
        if not runs:
            raise UsageError("USAGE-RUN", f"there are no runs in {HOME}/.", fix="train one with `isthmus train`")
        return runs[-1]
    for path in (Path(name), HOME / name):
        if os.path.lexists(path / RECORD):
            return RunFolder(path)
        if os.path.isfile(path):
            raise _foreign(path)
        if os.path.isdir(path) and not os.access(path, os.R_OK | os.X_OK):  # its contents cannot be listed
            message = f"{path} cannot be read: {os.strerror(errno.EACCES)}."
            raise ModelFileError("RUN-FILE", message, fix="give yourself read permission")
    names = [run.path.name for run in list_runs()]
    known = ", ".join(get_close_matches(str(name), names, n=3) or names[-5:])
    fix = f"use one of: {known}, or latest" if known else "train one with `isthmus train`"
    message = f"there is no run {shortened(str(name))}, neither as a folder nor in {HOME}/."
    if os.path.lexists(name) or os.path.lexists(HOME / name):
        message = f"{shortened(str(name))} is not a run folder (it has no {RECORD})."
    raise UsageError("USAGE-RUN", message, fix=fix)


def _foreign(path: Path) -> ModelFileError:
    if path.suffix.lower() in PICKLED or _holds_pickle(path):
        message = f"{path} is a pickle file. Opening one can run arbitrary code, so isthmus never does."
        fix = "load it in your own program and save its state_dict with safetensors, or train again with isthmus"
        return ModelFileError("MODEL-PICKLE", message, fix=fix)
    return ModelFileError(
        "MODEL-FOREIGN", f"{path} is a file, not a run folder.", fix="name a folder that `isthmus train` created"
    )


def _holds_pickle(path: Path) -> bool:
    """Whether it is a pickle with another extension: bare, or in the zip archive that `torch.save` writes."""
    with path.open("rb") as file:
        if file.read(1) == b"\x80":  # every pickle since protocol 2 starts with this byte
            return True
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith(".pkl") for name in archive.namelist())


def is_photo(name: str | Path) -> bool:
    """Whether `name` is `photo` and no run or folder has that name; such a run or folder would take precedence."""
    return str(name) == PHOTO and not any(os.path.lexists(path) for path in (Path(PHOTO), HOME / PHOTO))


class Found(NamedTuple):
    """The runs that were found, oldest first, and the errors of those that cannot be read."""

    runs: list[RunFolder]
    broken: dict[Path, ModelFileError]


def look_for_runs(*, series: bool = False) -> Found:
    """All runs under `runs/` and in the folders next to it. A broken run does not hide the others.

    `series`: include the runs of comparisons and sweeps.
    """
    runs, broken = [], {}
    places = [*HOME.glob(f"*/{RECORD}"), *Path().glob(f"*/{RECORD}")]
    if series:
        plans = [*HOME.glob(f"*/{PLAN}"), *Path().glob(f"*/{PLAN}")]
        places += [path for plan in plans for path in plan.parent.glob(f"*/{RECORD}")]
    for path in places:
        run = RunFolder(path.parent)
        try:
            runs.append((str(run.record.get("started", "")), _changed(path), run))
        except ModelFileError as error:
            broken[run.path] = error
    return Found([run for *_, run in sorted(runs, key=lambda entry: entry[:2])], broken)


def list_runs() -> list[RunFolder]:
    """The runs with a readable record, under `runs/` and in the folders next to it, oldest first."""
    return look_for_runs().runs


def _changed(path: Path) -> float:
    with suppress(OSError):  # it was removed in the meantime
        return path.lstat().st_mtime
    return 0.0


def load(path: str | Path, *, module: nn.Module | None = None, device: str = "cpu") -> Any:
    """The trained model of a run folder, a model folder, `latest`, or `photo`, the denoiser shipped with the package.

    `module`: an instance of your own class, if the run was trained with `isthmus.fit(module, …)`.

    Raises: ModelFileError; UsageError; ResourceError for a `device` that this machine does not have.

        >>> model = isthmus.load("runs/a")              # doctest: +SKIP
        >>> z = model.encode(images)                    # doctest: +SKIP
    """
    from isthmus.models.loading import load_model  # late: PyTorch is slow to import, and runs are listed without it
    from isthmus.system.devices import refuse_absent

    refuse_absent(device)
    if is_photo(path):
        from isthmus.models.photo import PhotoDenoiser

        return PhotoDenoiser(device)
    folder = Path(path)
    if os.path.lexists(folder / RECORD) or not (folder / files.MANIFEST).is_file():
        run = find(path)
        folder = run.path / MODEL
        if not run.has_model:
            return run.model
    return load_model(folder, module=module, device=device)


__all__ = ["HOME", "Found", "find", "is_photo", "list_runs", "load", "look_for_runs", "new_folder"]
