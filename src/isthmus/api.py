"""What `import isthmus` offers for runs: `train`, `fit`, `resume`, `finish`, and a `Run` with its methods.

The methods have the names of the commands, and work on arrays instead of files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from isthmus.errors import unknown
from isthmus.runs.folder import RunFolder
from isthmus.training.monitor import TrainingMonitor

if TYPE_CHECKING:
    from torch import nn

    from isthmus.tools.anomaly.explained_scores import ExplainedScores
    from isthmus.tools.exploration.code_map import CodeMap
    from isthmus.tools.exploration.duplicates import Duplicates
    from isthmus.tools.exploration.lookup import NeighborLookup
    from isthmus.tools.export import Export
    from isthmus.tools.sampling.traversal import Sweep
    from isthmus.training.display import AbstractDisplay

Names = str | Sequence[str]


class Run(RunFolder):
    """A run folder and the methods to use it. `x` is raw samples (N, *shape) like the training data, in any form that
    `Model.encode` accepts: arrays, tensors, or data frames, whose columns are matched by name.

    If the run was trained further since it was opened, the methods read it again and warn; see `RunFolder.current`.

    A `source` is a path, the name of a data set, or rows of either, "mnist-2k:0-9", as on the command line; or data as
    for `score`, with labels in a column of a frame or as (X, y).
    """

    @classmethod
    def of(cls, folder: RunFolder) -> Self:
        """The same run, keeping what was already read."""
        return cls(folder.path, module=folder.module, model=folder.given_model, prepared=folder.given_prepared)

    def encode(self, x: Any) -> Any:
        """Codes (N, z_size) of raw samples; see `Model.encode`. For a series: codes of windows."""
        run = self.current()
        return run.coder.encode(x) if run.model.preprocess.series is None else _series().codes_of(run, x)

    def decode(self, z: Any) -> Any:
        """Raw samples from codes (N, z_size); like `sample`, a frame if columns are of several kinds."""
        from isthmus.tools.sampling.trained_kind import decoded_rows

        return decoded_rows(self.current(), z)

    def reconstruct(self, x: Any) -> Any:
        """Encodes and decodes raw samples. Of a series: rows, averaged over their windows."""
        run = self.current()
        return run.model.reconstruct(x) if run.model.preprocess.series is None else _series().given_back(run, x)

    def denoise(self, x: Any) -> Any:
        """Cleaned raw samples. Raises: UsageError if the run was trained without noise."""
        self.current().model.refuse_denoising()
        return self.reconstruct(x) if self.model.preprocess.series is not None else self.model.denoise(x)

    def sample(
        self, n: int = 64, *, density: str = "auto", of: str | None = None, seed: int = 0, temperature: float = 1.0
    ) -> Any:
        """n new raw samples (n, *shape). If the training data was a frame or has columns of several kinds, the result
        is a frame with the same types. `tools.sampling.sampling.draw_samples` also returns the codes.
        """
        from isthmus.tools.sampling.trained_kind import drawn_like_training as drawn

        return drawn(self.current(), n, density=density, of=of, seed=seed, temperature=temperature)

    def interpolate(self, a: Any, b: Any, steps: int = 12, path: str = "straight") -> Any:
        """Raw samples (steps, *shape) on the path from raw sample a to raw sample b; a frame if `a` is a frame. `path`
        is "straight" or "spherical".
        """
        from isthmus.tools.sampling.interpolation_files import interpolated_like

        return interpolated_like(self.current(), a, b, steps, path)

    def traverse(self, units: Sequence[int] = ()) -> Sweep:
        """Sweeps all units of the code, or only `units`, over the values that they take; the strongest first."""
        from isthmus.tools.sampling.traversal import sweep_units

        run = self.current()
        return sweep_units(run.coder, run.latent, units)

    def edit(self, x: Any, add: Names = (), remove: Names = (), *, strength: float = 1.0, keep: Names = ()) -> Any:
        """Raw samples with features added and removed by name: `run.edit(x, add="7", remove="1")`. Returns a frame for
        a frame, and a tensor for a tensor.

        Raises: UsageError for unknown names; `features` lists the known ones.
        """
        from isthmus.tools.editing.edits import edited

        groups = [[names] if isinstance(names, str) else names for names in (add, remove, keep)]
        return edited(self.current(), x, *groups, strength=strength)

    def features(self) -> list[str]:
        """The names of the features that can be added and removed. Raises: UsageError for a discrete code."""
        from isthmus.tools.editing.directions import known_names, refuse_editing

        refuse_editing(self.current())
        return known_names(self)

    def score(self, x: Any, *, false_alarms: float | None = None) -> ExplainedScores:
        """Anomaly scores of raw samples: `.score` (larger is more anomalous), `.error`, `.code` and `.p_value`, all
        (N,); for a time series, of every row. p-values as small as `false_alarms` may need models of cross-validation
        folds, which are trained once. For a table, `.blame` (N, K) is each column's share of the score, in nats.
        """
        from isthmus.tools.anomaly.explained_scores import explained_scores
        from isthmus.tools.anomaly.series_scores import scores_of

        run = self.current()
        if run.model.preprocess.series is not None:
            return scores_of(run, x)
        return explained_scores(run, x, false_alarms)

    def impute(self, x: Any, *, draws: int | None = None, seed: int = 0) -> Any:
        """A table like x (frame or array) with its missing values filled. With `draws`, for a run with a random code
        (recipe vae), a list of that many tables; their spread shows how certain each cell is.

        Raises: UsageError for a run trained on numbers without missing values, or `draws` without a random code.
        """
        from isthmus.tools.inference.imputation import impute_frame

        run = self.current()
        if run.model.preprocess.series is not None and draws is None:
            return _series().filled_in(run, x)
        return impute_frame(run, x, draws, seed)

    def neighbors(self, image: Any, source: Any = None, *, k: int = 10) -> NeighborLookup:
        """The k samples of `source` (default: the training data) nearest to `image`, such as "mnist-2k:12" or x[:1]."""
        from isthmus.tools.exploration.lookup import look_up

        return look_up(self.current(), image, source, k=k)

    def map(self, source: Any = None, *, method: str = "tsne", color: str | None = None) -> CodeMap:
        """Maps the codes of `source` (default: the test data) to two dimensions; `.points` (N, 2), `.draw()`."""
        from isthmus.tools.exploration.code_map import map_codes

        return map_codes(self.current(), source, method=method, color=color)

    def duplicates(self, source: Any = None) -> Duplicates:
        """Finds equal and nearly equal samples in `source` (default: all data of the run); `.pairs`."""
        from isthmus.tools.exploration.duplicates import find_duplicates

        return find_duplicates(self.current(), source)

    def probe(self, source: Any = None, *, k: int = 5) -> dict[str, Any]:
        """How well the codes predict the labels, compared with PCA and the raw values."""
        from isthmus.tools.exploration.probing import probe_run

        return probe_run(self.current(), source, k=k)

    def export(self, out: str | Path) -> Export:
        """Exports the run as ONNX files, and compares each of them with the model."""
        from isthmus.tools.export import export

        return export(self.current(), out)

    def show(self, picture: str = "sanity") -> Path:
        """The path of `picture` ("sanity", "curves" …); a notebook also shows it. Raises: UsageError."""
        from isthmus.evaluation.figures.cost_curves import show_picture

        path = self.path / f"{picture}.png"
        if not path.is_file():
            raise unknown("picture", picture, [p.stem for p in self.path.glob("*.png")])
        show_picture(path)
        return path


def _series() -> Any:
    """The module that handles rows of a time series."""
    from isthmus.tools.inference import series_frames

    return series_frames


class Monitor(TrainingMonitor):
    """The teaching notebook's Callback, for your own loop: it logs, keeps the best weights, plots, and stops early.

    monitor = Monitor(model, out="runs/mine", patience=5)
    for epoch in range(100):
        monitor.log(train_cost=train_one_epoch(), validation_cost=validate())
        monitor.save_checkpoint()
        monitor.plot_cost()
        if monitor.early_stopping():
            break
    """

    def plot_cost(self, **settings: Any) -> None:
        """Plots the cost curves: live in a notebook, and as `curves.png` in `out`. `settings` go to `cost_curves`."""
        from isthmus.evaluation.figures.cost_curves import draw_costs

        draw_costs(self.history, self.out, best_epoch=self.best_epoch, **settings)


def train(
    data: Any = None,
    *,
    target: Any = None,
    recipe: str | None = None,
    out: str | Path | None = None,
    config: str | Path | Mapping[str, Any] | None = None,
    show: bool | AbstractDisplay = True,
    command: Sequence[str] | None = None,
    began: Callable[[Run], object] | None = None,
    **settings: Any,
) -> Run:
    """Trains an autoencoder on `data`, judges it, and writes a run folder.

    `data`: a name or path as on the command line, or an array, tensor, data frame, Dataset or DataLoader. `target`: the
    clean samples for noisy `data`, in the same forms; files are matched by name, everything else by position.
    `settings`: any setting by its name (`z_size=16`, `noise="gaussian:0.5"`, `epochs=10`); they override `config` (a
    TOML file or nested values), which overrides `recipe`. `show=False` prints nothing. `began` is called with the run
    when its folder exists.

    Raises: UsageError, DataError, ResourceError, DivergedError, FolderInUseError; Interrupted after Ctrl-C.
    """
    from isthmus.pipeline import train as pipeline

    heard = None if began is None else lambda folder: began(Run.of(folder))
    resolved = pipeline.configure(data, recipe, config, settings, target)
    return Run.of(pipeline.train(resolved, data, target=target, out=out, show=show, command=command, began=heard))


def fit(
    module: nn.Module,
    data: Any = None,
    *,
    target: Any = None,
    output: str = "logits",
    flatten: bool | str = "auto",
    out: str | Path | None = None,
    show: bool | AbstractDisplay = True,
    **settings: Any,
) -> Run:
    """Trains your own `torch.nn.Module`, and judges it like any other model.

    The module has `encoder` and `decoder`, or `encode` and `decode`, or only `forward`. `output` says whether it ends
    in a sigmoid ("probabilities") or not ("logits"); it matters for images only. The module is trained in place.

    Raises: as `train`; UsageError if the module's output does not have the shape of its input.
    """
    from isthmus.pipeline.train import fit as pipeline_fit

    shown = {"out": out, "show": show, "settings": settings}
    return Run.of(pipeline_fit(module, data, target=target, output=output, flatten=flatten, **shown))


def resume(
    path: str | Path,
    *,
    epochs: int | None = None,
    data: Any = None,
    target: Any = None,
    module: nn.Module | None = None,
    show: bool | AbstractDisplay = True,
) -> Run:
    """Continues a run where it stopped; with `epochs`, extends a finished run.

    On the same machine, the final weights are bit-equal to those of an uninterrupted run. `data` and `target` are
    needed if the run was trained on data in memory; they may also give the new place of its files. `module` is needed
    if the run trained your own module. Of the settings in `config.toml`, only `epochs`, `lr` and those on where to
    compute may have been edited.

    Raises: UsageError if settings or data differ from those that the run started with, listing each difference;
    ModelFileError.
    """
    from isthmus.pipeline.resume import resume as pipeline_resume

    return Run.of(pipeline_resume(path, epochs=epochs, data=data, target=target, module=module, show=show))


def finish(
    path: str | Path,
    *,
    data: Any = None,
    target: Any = None,
    module: nn.Module | None = None,
    show: bool | AbstractDisplay = True,
) -> Run:
    """Ends a training now, keeps the weights of its best epoch so far, and judges them. The training may be stopped, or
    running in another process, which is waited for. Part of an epoch counts as one. `resume(path, epochs=N)` trains it
    longer.

    `data`, `target` and `module`: as in `resume`, for a stopped run.

    Raises: UsageError if nothing is trained yet; ResourceError; otherwise as `resume`.
    """
    from isthmus.pipeline.finish import finish as pipeline_finish

    return Run.of(pipeline_finish(path, data=data, target=target, module=module, show=show))


__all__ = ["Monitor", "Run", "finish", "fit", "resume", "train"]
