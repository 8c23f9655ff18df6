"""Exports a trained run as ONNX files. Each is run with onnxruntime and compared with the model before it is saved."""

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
from isthmus.wording import shell_word

COMPARED = 256  # samples: enough to use every unit of the network, in less than a second
# A few hundred float32 roundings (1.2e-7 each) in another order, relative to the largest value.
TOLERANCE = 1e-4
ONE_LEVEL = 1.0  # for whole numbers: a value close to the middle between two may be rounded either way
ON_A_BORDER = 0.01  # share of quantized codes that may be so close to a border that they are rounded differently


@dataclass(frozen=True)
class Exported:
    """One file, and the largest difference between its output and the model's, over `n` samples.

    `n_apart` samples differ by more than the tolerance; this is allowed only for quantized codes.
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
    """Writes `out` (encoder and decoder together) and, next to it, NAME-encoder.onnx and NAME-decoder.onnx.

    Every file is compared with the model on test samples of the run, or on random ones if its data is gone. A file with
    differences beyond rounding is not written.

    Raises: UsageError for another suffix or without the extra; ModelFileError for a file with different results.
    """
    target = Path(out)
    if target.suffix != ".onnx":
        named = target / "model.onnx" if target.is_dir() else target.with_suffix(".onnx")
        raise UsageError("USAGE-OUT", f"{target} does not end in .onnx.", fix=f"name it {shell_word(named)}")
    need_onnx()
    model = run.model
    raw, said = _samples(run, model.preprocess)
    about = _about(run)
    whole = _made("whole", Whole(model), target, raw, model.reconstruct, about)
    if not model.has_code:
        return _written([whole], (*said, "the network has no code, so no encoder or decoder is exported"))
    model = coded(model)
    beside = [target.with_name(f"{target.stem}-{part}.onnx") for part in ("encoder", "decoder")]
    encoder = _made("encoder", Encoder(model), beside[0], raw, model.encode, about)
    decoder = _made("decoder", Decoder(model), beside[1], model.encode(raw), model.decode, about)
    return _written([whole, encoder, decoder], said)


def _written(made: list[tuple[Exported, bytes]], said: tuple[str, ...]) -> Export:
    folder = made[0][0].path.parent
    said = said if folder.is_dir() else (*said, f"the folder {folder} did not exist and was created")
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
    """The file's content, after comparison with `function` of the model on `given`."""
    tell(f"writing the {part} as ONNX and comparing it with the model")
    content = onnx_bytes(graph, torch.from_numpy(given[:2].copy()), about | {"part": part})
    expected, found = function(given), _answers(content, given)
    quantized = not graph.model.bottleneck.continuous and part != "decoder"
    if graph.model.preprocess.encoding is not None and part != "encoder":
        found = without_border_cells(part, path, expected, found)
    exported = compared(part, path, given, expected, found, quantized=quantized)
    return exported, content


def _answers(content: bytes, given: np.ndarray) -> np.ndarray:
    """The output of onnxruntime for the first sample alone and for all others at once: two batch sizes."""
    import onnxruntime

    session: Any = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: batch})[0] for batch in (given[:1], given[1:])])


def without_border_cells(part: str, path: Path, expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    """`found`, with cells that were rounded differently replaced by those of `expected`: at most one in a hundred, or a
    single one. For raw rows (N, K) whose columns are of several kinds: numbers rounded to their digits, indices of
    names, seconds. The tolerance of each column is relative to its own largest value.

    Raises: ModelFileError for another shape, or if more cells differ.
    """
    if found.shape != expected.shape:
        raise _unequal(part, path, f"it returns {_form(found)}, the model {_form(expected)}")
    wide = np.abs(expected.astype(np.float64))
    apart = ~(np.abs(found.astype(np.float64) - expected) <= TOLERANCE * np.maximum(1.0, wide.max(0, initial=0.0)))
    apart &= ~(np.isnan(found) & np.isnan(expected))
    if apart.sum() > max(1.0, ON_A_BORDER * apart.size):
        raise _unequal(part, path, f"{int(apart.sum()):,} of {apart.size:,} cells differ")
    return np.where(apart, expected, found)


def compared(
    part: str, path: Path, given: np.ndarray, expected: np.ndarray, found: np.ndarray, *, quantized: bool
) -> Exported:
    """How much the output of a file differs from the model's.

    Raises: ModelFileError for another shape or type, or a difference above the tolerance.
    """
    if found.shape != expected.shape or found.dtype != expected.dtype:
        what = f"it returns {_form(found)}, the model {_form(expected)}"
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
    message = f"the {part} as ONNX gives different results than the model: {what}. {path} was not written."
    return ModelFileError("MODEL-ONNX", message, fix="report this bug with the versions that `isthmus doctor` prints")


def _form(values: np.ndarray) -> str:
    return f"{values.dtype} ({', '.join(['batch', *map(str, values.shape[1:])])})"


def _samples(run: RunFolder, preprocess: Preprocess) -> tuple[np.ndarray, tuple[str, ...]]:
    """Raw samples for the comparison, and notes about them."""
    try:
        x = run.prepared.splits.test.x
    except IsthmusError as error:
        said = f"compared on random values, because the run's data is not available: {error.message.rstrip('.')}"
        return _random(preprocess), (said,)
    stride = -(-len(x) // COMPARED)  # evenly, as data is often sorted
    x = np.array(x[::stride])
    return np.concatenate([x, x, x])[: max(len(x), 3)], ()  # two batches, one of them of two or more


def _random(preprocess: Preprocess) -> np.ndarray:
    """Values in the range of the training data: any byte, any float in [0, 1], or columns around their means."""
    generator, shape = generator_for(0, "export"), (COMPARED, *preprocess.shape)
    kind = np.dtype(preprocess.dtype)
    if kind.kind == "u":
        drawn = torch.randint(0, np.iinfo(kind).max + 1, shape, generator=generator)
        return drawn.numpy().astype(kind)
    x = torch.rand(shape, generator=generator) if preprocess.range else torch.randn(shape, generator=generator)
    return preprocess.to_raw(x).numpy()


def _about(run: RunFolder) -> dict[str, str]:
    """Metadata for the file: what someone who finds it needs to know."""
    preprocess = run.model.preprocess
    about: dict[str, Any] = {"isthmus": __version__, "recipe": run.config.recipe, "z_size": run.model.z_size}
    about |= {"shape": preprocess.shape, "columns": preprocess.columns, "noise": run.model.config.noise}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}


__all__ = ["Export", "Exported", "compared", "export"]
