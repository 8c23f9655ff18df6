"""`Tools`: what a trained run is for, as methods under the names of the commands, on arrays instead of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

if TYPE_CHECKING:
    from isthmus.runs.folder import Run
    from isthmus.tools.anomaly.detector import Scores
    from isthmus.tools.exploration.code_map import Atlas
    from isthmus.tools.exploration.duplicates import Copies
    from isthmus.tools.exploration.lookup import Found
    from isthmus.tools.export import Export
    from isthmus.tools.sampling.traversal import Sweep

Names = str | Sequence[str]


class Tools:
    """The methods of a `Run` that do something. `x` are raw samples (N, *shape), as those that it was trained on.

    A `source` is named as on the command line: a path, the name of a data set, or rows of either, "mnist-2k:0-9".
    """

    @property
    def _run(self) -> Run:
        return cast("Run", self)

    def encode(self, x: Any) -> Any:
        """Codes (N, z_size) of raw samples; see `Model.encode`."""
        return self._run.model.encode(x)

    def decode(self, z: Any) -> Any:
        """Raw samples of codes (N, z_size)."""
        return self._run.model.decode(z)

    def reconstruct(self, x: Any) -> Any:
        """Raw samples through the code and back."""
        return self._run.model.reconstruct(x)

    def denoise(self, x: Any) -> Any:
        """Cleaned raw samples. Raises: UsageError if the run was trained without noise."""
        return self._run.model.denoise(x)

    def sample(
        self, n: int = 64, *, density: str = "auto", of: str | None = None, seed: int = 0, temperature: float = 1.0
    ) -> np.ndarray:
        """n new raw samples (n, *shape); `synthesising.sampling.draw_samples` tells their codes too."""
        from isthmus.tools.sampling.sampling import draw_samples

        return draw_samples(self._run, n, density=density, of=of, seed=seed, temperature=temperature).x

    def interpolate(self, a: Any, b: Any, steps: int = 12, path: str = "straight") -> np.ndarray:
        """Raw samples (steps, *shape) on the way from raw sample a to raw sample b; `path` may be "spherical"."""
        from isthmus.tools.sampling.synthesis import interpolated

        return interpolated(self._run, a, b, steps, path)

    def traverse(self, units: Sequence[int] = ()) -> Sweep:
        """Each unit of the code, or these, swept over the values that it takes; the strongest first."""
        from isthmus.tools.sampling.traversal import sweep

        return sweep(self._run.model, self._run.latent, units)

    def edit(
        self, x: Any, add: Names = (), remove: Names = (), *, strength: float = 1.0, keep: Names = ()
    ) -> np.ndarray:
        """Raw samples with features added and removed, by their names: `run.edit(x, add="7", remove="1")`.

        Raises: UsageError for unknown names; `features` lists what there is.
        """
        from isthmus.tools.editing.edits import edit_of

        groups = [[names] if isinstance(names, str) else names for names in (add, remove, keep)]
        edit = edit_of(self._run, groups[0], groups[1], groups[2])
        return self._run.model.decode(edit.apply(np.asarray(self._run.model.encode(np.asarray(x))), strength))

    def features(self) -> list[str]:
        """The names of what can be added and removed. Raises: UsageError for a code without steps."""
        from isthmus.tools.editing.directions import known_names, refuse_editing

        refuse_editing(self._run)
        return known_names(self._run)

    def score(self, x: Any) -> Scores:
        """How strange raw samples are: `.score` (larger is stranger), `.error`, `.code` and `.p_value`, all (N,)."""
        from isthmus.tools.anomaly.detector import Detector

        return Detector.of_run(self._run).scores(np.asarray(x))

    def neighbors(self, image: str | Path, source: str | None = None, *, k: int = 10) -> Found:
        """The k samples of `source` (default: the training data) nearest to `image`, such as "mnist-2k:12"."""
        from isthmus.tools.exploration.lookup import look_up

        return look_up(self._run, str(image), source, k=k)

    def map(self, source: str | Path | None = None, *, method: str = "tsne", color: str | None = None) -> Atlas:
        """The codes of `source` (default: the test data) in two dimensions; `.points` (N, 2), `.draw()`."""
        from isthmus.tools.exploration.code_map import map_codes

        return map_codes(self._run, source, method=method, color=color)

    def duplicates(self, source: str | Path | None = None) -> Copies:
        """Equal and nearly equal samples of `source` (default: all the run's data); `.pairs`."""
        from isthmus.tools.exploration.duplicates import find_copies

        return find_copies(self._run, source)

    def probe(self, source: str | Path | None = None, *, k: int = 5) -> dict[str, Any]:
        """How much of the labels the codes hold, beside PCA and the raw values."""
        from isthmus.tools.exploration.probing import probe_run

        return probe_run(self._run, source, k=k)

    def export(self, out: str | Path) -> Export:
        """Writes the run as ONNX files, each compared with the model."""
        from isthmus.tools.export import export

        return export(self._run, out)


__all__ = ["Tools"]
