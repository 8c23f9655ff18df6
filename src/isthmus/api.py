"""What `import isthmus` offers for runs: `train`, `fit`, `resume`, `finish`, and a `Run` with its methods.

The methods stand under the names of the commands, and work on arrays instead of files.
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
    """A run folder with what it is for. `x` are raw samples (N, *shape), as those that it was trained on, in any kind
    that `Model.encode` takes: arrays, tensors, data frames with their columns by name.

    A method that finds the run trained on since it was opened reads it again, and warns; see `RunFolder.current`.

    A `source` is named as on the command line: a path, the name of a data set, or rows of either, "mnist-2k:0-9"; or it
    is data as `score` takes it, with labels in a frame's column or as (X, y).
    """

    @classmethod
    def of(cls, folder: RunFolder) -> Self:
        """The same run, with what was read of it already."""
        return cls(folder.path, module=folder.module, model=folder.given_model, prepared=folder.given_prepared)

    def encode(self, x: Any) -> Any:
        """Codes (N, z_size) of raw samples; see `Model.encode`. Of a series those of its windows."""
        run = self.current()
        return run.coder.encode(x) if run.model.preprocess.series is None else _series().codes_of(run, x)

    def decode(self, z: Any) -> Any:
        """Raw samples of codes (N, z_size); rows with columns of several kinds always as a frame, as `sample`."""
        from isthmus.tools.sampling.trained_kind import decoded_rows

        return decoded_rows(self.current(), z)

    def reconstruct(self, x: Any) -> Any:
        """Raw samples through the code and back; of a series its rows, each the mean over the windows that hold it."""
        run = self.current()
        return run.model.reconstruct(x) if run.model.preprocess.series is None else _series().given_back(run, x)

    def denoise(self, x: Any) -> Any:
        """Cleaned raw samples. Raises: UsageError if the run was trained without noise."""
        self.current().model.refuse_denoising()
        return self.reconstruct(x) if self.model.preprocess.series is not None else self.model.denoise(x)

    def sample(
        self, n: int = 64, *, density: str = "auto", of: str | None = None, seed: int = 0, temperature: float = 1.0
    ) -> Any:
        """n new raw samples (n, *shape); a frame, of the types of the training data, where that was one or where its
        columns are of several kinds. `tools.sampling.sampling.draw_samples` tells their codes too.
        """
        from isthmus.tools.sampling.trained_kind import drawn_like_training as drawn

        return drawn(self.current(), n, density=density, of=of, seed=seed, temperature=temperature)

    def interpolate(self, a: Any, b: Any, steps: int = 12, path: str = "straight") -> Any:
        """Raw samples (steps, *shape) on the way from raw sample a to raw sample b, a frame where `a` is one; `path`
        may be "spherical".
        """
        from isthmus.tools.sampling.interpolation_files import interpolated_like

        return interpolated_like(self.current(), a, b, steps, path)

    def traverse(self, units: Sequence[int] = ()) -> Sweep:
        """Each unit of the code, or these, swept over the values that it takes; the strongest first."""
        from isthmus.tools.sampling.traversal import sweep_units

        run = self.current()
        return sweep_units(run.coder, run.latent, units)

    def edit(self, x: Any, add: Names = (), remove: Names = (), *, strength: float = 1.0, keep: Names = ()) -> Any:
        """Raw samples with features added and removed, by their names: `run.edit(x, add="7", remove="1")`. A frame
        comes back as a frame, a tensor as a tensor.

        Raises: UsageError for unknown names; `features` lists what there is.
        """
        from isthmus.tools.editing.edits import edited

        groups = [[names] if isinstance(names, str) else names for names in (add, remove, keep)]
        return edited(self.current(), x, *groups, strength=strength)

    def features(self) -> list[str]:
        """The names of what can be added and removed. Raises: UsageError for a code without steps."""
        from isthmus.tools.editing.directions import known_names, refuse_editing

        refuse_editing(self.current())
        return known_names(self)

    def score(self, x: Any, *, false_alarms: float | None = None) -> ExplainedScores:
        """How strange raw samples are: `.score` (larger is stranger), `.error`, `.code` and `.p_value`, all (N,); of a
        series every row of it. p-values as small as `false_alarms` may take models of folds, which are trained once.
        Of a table `.blame` says which columns each row owes its score to, (N, K), in nats.
        """
        from isthmus.tools.anomaly.explained_scores import explained_scores
        from isthmus.tools.anomaly.series_scores import scores_of

        run = self.current()
        if run.model.preprocess.series is not None:
            return scores_of(run, x)
        return explained_scores(run, x, false_alarms)

    def impute(self, x: Any, *, draws: int | None = None, seed: int = 0) -> Any:
        """A table like x (frame or array) with its gaps filled, every other cell as it was; with `draws` a list of that
        many, whose differences tell how sure each cell is, of a run with a drawn code (recipe vae).

        Raises: UsageError for a run of numbers without gaps, and for draws of a run that cannot draw.
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
        """The codes of `source` (default: the test data) in two dimensions; `.points` (N, 2), `.draw()`."""
        from isthmus.tools.exploration.code_map import map_codes

        return map_codes(self.current(), source, method=method, color=color)

    def duplicates(self, source: Any = None) -> Duplicates:
        """Equal and nearly equal samples of `source` (default: all the run's data); `.pairs`."""
        from isthmus.tools.exploration.duplicates import find_duplicates

        return find_duplicates(self.current(), source)

    def probe(self, source: Any = None, *, k: int = 5) -> dict[str, Any]:
        """How much of the labels the codes hold, beside PCA and the raw values."""
        from isthmus.tools.exploration.probing import probe_run

        return probe_run(self.current(), source, k=k)

    def export(self, out: str | Path) -> Export:
        """Writes the run as ONNX files, each compared with the model."""
        from isthmus.tools.export import export

        return export(self.current(), out)

    def show(self, picture: str = "sanity") -> Path:
        """Where `picture` ("sanity", "curves" …) lies; a notebook shows it. Raises: UsageError with those there are."""
        from isthmus.evaluation.figures.cost_curves import show_picture

        path = self.path / f"{picture}.png"
        if not path.is_file():
            raise unknown("picture", picture, [p.stem for p in self.path.glob("*.png")])
        show_picture(path)
        return path


def _series() -> Any:
    """What takes the rows of a series."""
    from isthmus.tools.inference import series_frames

    return series_frames


class Monitor(TrainingMonitor):
    """The teaching notebook's Callback, for a loop of your own: it logs, keeps the best weights, draws, and says stop.

    monitor = Monitor(model, out="runs/mine", patience=5)
    for epoch in range(100):
        monitor.log(train_cost=train_one_epoch(), validation_cost=validate())
        monitor.save_checkpoint()
        monitor.plot_cost()
        if monitor.early_stopping():
            break
    """

    def plot_cost(self, **settings: Any) -> None:
        """The cost curves: live in a notebook, and as `curves.png` in `out`. `settings` are those of `cost_curves`."""
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
    """Trains an autoencoder on `data`, judges it, and leaves a run folder.

    `data`: a name or path as on the command line, or an array, tensor, data frame, Dataset or DataLoader. `target`: the
    same of what should come out of noisy `data`: files are matched by name, all else by position. `settings`:
    any setting by its name (`z_size=16`, `noise="gaussian:0.5"`, `epochs=10`), over `config` (a TOML file or nested
    values), over `recipe`. `show=False` prints nothing. `began` hears of the run once its folder stands.

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
    """Trains a `torch.nn.Module` of your own, and judges it like any other.

    The module has `encoder` and `decoder`, or `encode` and `decode`, or only `forward`. `output` says whether it ends
    in a sigmoid ("probabilities") or not ("logits"); it matters for images only. The module is trained in place.

    Raises: as `train`; UsageError if the module does not give back what it is given.
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
    """Goes on with a run where it stopped; with `epochs`, extends a finished one.

    On the same machine the weights end bit-equal to those of an undisturbed run. `data` and `target` are needed
    where the run was trained on such in memory, and may name where their files lie now; `module` where it was a module
    of your own.
    Of the settings in `config.toml` only `epochs` and `lr` may have been edited, and where to compute.

    Raises: UsageError if settings or data are not those the run began with, with each difference; ModelFileError.
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
    """Ends a training now: the weights of its best epoch so far, judged. It may be running in another process, which is
    waited for, or have been stopped. A part of an epoch counts as one. `resume(path, epochs=N)` trains it longer.

    `data`, `target` and `module` as in `resume`, for a run that was stopped.

    Raises: UsageError where nothing is trained yet; ResourceError; as `resume`.
    """
    from isthmus.pipeline.finish import finish as pipeline_finish

    return Run.of(pipeline_finish(path, data=data, target=target, module=module, show=show))


__all__ = ["Monitor", "Run", "finish", "fit", "resume", "train"]
