"""`isthmus export`: a trained run for use in other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.cli.command_frame import Io, command
from isthmus.cli.inference_commands import RunName
from isthmus.runs.finding import find
from isthmus.wording import counted

Onnx = Annotated[
    Path, typer.Option("-o", "--out", help="The .onnx file; -encoder.onnx and -decoder.onnx are written next to it.")
]


def export(io: Io, run: RunName, *, out: Onnx) -> None:
    """Export a run as ONNX files for other languages and runtimes, and compare each file with the model.

    NAME.onnx reconstructs raw samples, NAME-encoder.onnx encodes them, NAME-decoder.onnx decodes codes. Each includes
    the preprocessing and takes any number of samples. Needs the packages onnx, onnxscript and onnxruntime.

    \b
    Examples:
      isthmus export latest -o model.onnx
      isthmus export runs/wine -o wine.onnx --json
    """
    from isthmus.tools.export import export as write

    exported = write(find(run), out)
    for sentence in exported.said:
        io.say(f"note: {sentence}")
    io.result(exported.as_dict(), _sentence(exported))


def _sentence(exported: Any) -> list[str]:
    lines = [f"{file.path}: {file.part}, {file.takes} -> {file.gives}, {_difference(file)}" for file in exported.files]
    n = exported.files[0].n
    return [*lines, f"opset {exported.opset}; each compared with the model on {counted(n, 'sample')}"]


def _difference(file: Any) -> str:
    apart = f" (rounded differently: {file.n_apart} of {counted(file.n, 'code')})" if file.n_apart else ""
    levels = {"uint8": " of 255", "uint16": " of 65,535"}.get(file.gives.partition(" ")[0], "")
    return f"largest difference {file.difference:.2g}{levels}{apart}"


def register(app: typer.Typer) -> None:
    command(app, export)
