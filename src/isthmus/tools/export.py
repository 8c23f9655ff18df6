"""A trained run as ONNX files, each compared with the model through onnxruntime before it is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from isthmus.data.batching.preprocess import Preprocess
from isthmus.errors import IsthmusError, ModelFileError, UsageError
from isthmus.models.autoencoder import coded
from isthmus.models.graphs import OPSET, AbstractGraph, Decoder, Encoder, Whole, need_onnx, onnx_bytes
from isthmus.randomness import generator_for
from isthmus.runs.folder import RunFolder
from isthmus.system import files
from isthmus.system.progress import tell
from isthmus.version import __version__

COMPARED = 256  # samples: enough that every unit of the network has something to do, and less than a second
# Some hundred float32 roundings (1.2e-7 each) in another order, relative to the largest value.
TOLERANCE = 1e-4
ONE_LEVEL = 1.0  # of whole numbers: both sides may stand a rounding apart from the middle between two
ON_A_BORDER = 0.01  # of quantized codes one in a hundred may stand so close to a border that it falls to the other side


@dataclass(frozen=True)
class Exported:
    """One file, and the largest difference between what it gives and what the model gives, over `n` samples.

    `n_apart` samples differ by more than the tolerance, which only quantized codes may.
    """

    part: str
    path: Path
    takes: str
    gives: str
    difference: float
    tolerance: float
    n: int
    n_apart: int


@dataclass(frozen=True)
class Export:
    """The files of one export; `said` are sentences for people."""

    files: tuple[Exported, ...]
    said: tuple[str, ...]
    opset: int = OPSET

    def as_dict(self) -> dict[str, Any]:
        listed = [asdict(file) | {"path": str(file.path)} for file in self.files]
        return {"opset": self.opset, "files": listed, "said": list(self.said)}


def export(run: RunFolder, out: str | Path) -> Export:
    """Writes `out` (raw samples through the code and back) and, beside it, NAME-encoder.onnx and NAME-decoder.onnx.

    Every file is compared with the model on test samples of the run, or on random ones where its data is gone. What
    differs by more than rounding is not written.

    Raises: UsageError for another suffix or without the extra; ModelFileError for a file that does not do the same.
    """
    target = Path(out)
    if target.suffix != ".onnx":
        raise UsageError("USAGE-OUT", f"{target} does not end in .onnx.", fix=f"name it {target.with_suffix('.onnx')}")
    need_onnx()
    model = run.model
    raw, said = _samples(run, model.preprocess)
    about = _about(run)
    whole = _made("whole", Whole(model), target, raw, model.reconstruct, about)
    if not model.has_code:
        return _written([whole], (*said, "the network has no code, so there is no encoder and no decoder."))
    model = coded(model)
    beside = [target.with_name(f"{target.stem}-{part}.onnx") for part in ("encoder", "decoder")]
    encoder = _made("encoder", Encoder(model), beside[0], raw, model.encode, about)
    decoder = _made("decoder", Decoder(model), beside[1], model.encode(raw), model.decode, about)
    return _written([whole, encoder, decoder], said)


def _written(made: list[tuple[Exported, bytes]], said: tuple[str, ...]) -> Export:
    folder = made[0][0].path.parent
    said = said if folder.is_dir() else (*said, f"the folder {folder} was not there and is made")
    for exported, content in made:
        files.write_atomic(exported.path, lambda part, content=content: part.write_bytes(content))
    return Export(tuple(exported for exported, _ in made), said)


def _made(
    part: str,
    graph: AbstractGraph,
    path: Path,
    given: np.ndarray,
    function: Callable[[np.ndarray], np.ndarray],
    about: dict[str, str],
) -> tuple[Exported, bytes]:
    """The file's content, once it has been compared with `function` of the model on `given`."""
    tell(f"writing the {part} as ONNX and comparing it with the model")
    content = onnx_bytes(graph, torch.from_numpy(given[:2].copy()), about | {"part": part})
    expected, found = function(given), _answers(content, given)
    quantized = not graph.model.bottleneck.continuous and part != "decoder"
    if graph.model.preprocess.encoding is not None and part != "encoder":
        found = without_border_cells(part, path, expected, found)
    exported = compared(part, path, given, expected, found, quantized=quantized)
    return exported, content


def _answers(content: bytes, given: np.ndarray) -> np.ndarray:
    """What onnxruntime makes of the first sample alone, and of all others at once: batches of two sizes."""
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: batch})[0] for batch in (given[:1], given[1:])])


def without_border_cells(part: str, path: Path, expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    """`found` with the cells of `expected` where these stand on the border between two values: one in a hundred may, or
    a single one. Of raw rows (N, K) whose columns are of several kinds: numbers rounded to their digits, places of
    names, seconds; each column is held to its own largest value.

    Raises: ModelFileError for another shape, or more cells that differ.
    """
    if found.shape != expected.shape:
        raise _unequal(part, path, f"it gives {_form(found)}, the model {_form(expected)}")
    wide = np.abs(expected.astype(np.float64))
    apart = ~(np.abs(found.astype(np.float64) - expected) <= TOLERANCE * np.maximum(1.0, wide.max(0, initial=0.0)))
    apart &= ~(np.isnan(found) & np.isnan(expected))
    if apart.sum() > max(1.0, ON_A_BORDER * apart.size):
        raise _unequal(part, path, f"{int(apart.sum()):,} of {apart.size:,} cells are others")
    return np.where(apart, expected, found)


def compared(
    part: str, path: Path, given: np.ndarray, expected: np.ndarray, found: np.ndarray, *, quantized: bool
) -> Exported:
    """How far the answers of a file are from those of the model.

    Raises: ModelFileError for another shape or type, or a difference above the tolerance.
    """
    if found.shape != expected.shape or found.dtype != expected.dtype:
        what = f"it gives {_form(found)}, the model {_form(expected)}"
        raise _unequal(part, path, what)
    off = np.abs(found.astype(np.float64) - expected.astype(np.float64)).reshape(len(found), -1).max(1)
    whole_numbers = expected.dtype.kind != "f"
    tolerance = ONE_LEVEL if whole_numbers else TOLERANCE * max(1.0, float(np.abs(expected).max()))
    n_apart = int((~(off <= tolerance)).sum())  # NaN is apart
    difference = float(off.max())
    if n_apart > (ON_A_BORDER * len(off) if quantized else 0):
        raise _unequal(part, path, f"it differs by up to {difference:.3g} in {n_apart} of {len(off)} samples")
    return Exported(part, path, _form(given), _form(found), difference, tolerance, len(off), n_apart)


def _unequal(part: str, path: Path, what: str) -> ModelFileError:
    message = f"the {part} as ONNX does not do what the model does: {what}. {path} was not written."
    return ModelFileError("MODEL-ONNX", message, fix="report it, with the versions that `isthmus doctor` prints")


def _form(values: np.ndarray) -> str:
    return f"{values.dtype} ({', '.join(['batch', *map(str, values.shape[1:])])})"


def _samples(run: RunFolder, preprocess: Preprocess) -> tuple[np.ndarray, tuple[str, ...]]:
    """Raw samples to compare on, and what is to be said about them."""
    try:
        x = run.prepared.splits.test.x
    except IsthmusError as error:
        said = f"compared on random values, as the run's data is not there: {error.message}"
        return _random(preprocess), (said,)
    stride = -(-len(x) // COMPARED)  # evenly, as data is often sorted
    x = np.array(x[::stride])
    return np.concatenate([x, x, x])[: max(len(x), 3)], ()  # two batches, one of them of two or more


def _random(preprocess: Preprocess) -> np.ndarray:
    """Values in the range of the training data: every byte, every float in [0, 1], or columns about their means."""
    generator, shape = generator_for(0, "export"), (COMPARED, *preprocess.shape)
    kind = np.dtype(preprocess.dtype)
    if kind.kind == "u":
        drawn = torch.randint(0, np.iinfo(kind).max + 1, shape, generator=generator)
        return drawn.numpy().astype(kind)
    x = torch.rand(shape, generator=generator) if preprocess.range else torch.randn(shape, generator=generator)
    return preprocess.to_raw(x).numpy()


def _about(run: RunFolder) -> dict[str, str]:
    """What somebody who finds the file must know: written into it as metadata."""
    preprocess = run.model.preprocess
    about: dict[str, Any] = {"isthmus": __version__, "recipe": run.config.recipe, "z_size": run.model.z_size}
    about |= {"shape": preprocess.shape, "columns": preprocess.columns, "noise": run.model.config.noise}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}


__all__ = ["Export", "Exported", "compared", "export"]
