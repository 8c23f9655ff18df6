"""The command `isthmus`. This package only parses, calls one library function, and prints.

Nothing heavy is imported here: `isthmus --help` answers without torch or pydantic.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any, ClassVar

import typer

from isthmus.cli import (
    anomaly_command,
    bench_command,
    comparison_commands,
    editing_commands,
    exploration_commands,
    export_command,
    inference_commands,
    inspection_commands,
    report_command,
    sampling_commands,
    serve_command,
    training_commands,
)
from isthmus.cli.command_frame import Outline, run_guarded
from isthmus.cli.help_sections import CommandsInSections
from isthmus.system.launch import is_first, launched
from isthmus.wording import printable

EXAMPLES = """\b
Examples:
  isthmus train                                   the shipped 2,000 digits, in about a minute
  isthmus train mnist --noise gaussian:0.5        a denoiser
  isthmus train photos/ --gray --resize 64        a folder of images
  isthmus train table.csv --label kind            a table of numbers
  isthmus reconstruct latest photos/ -o out/      images through the code and back
  isthmus encode latest mnist-2k -o codes.csv     their codes
"""


COMPLETING = "_ISTHMUS_COMPLETE"  # set by a shell that asks how a command line may go on
# Which commands each module registers: only what was asked for is put together, since options take a moment to make.
COMMANDS = {
    training_commands: ("train", "resume", "finish"),
    comparison_commands: ("compare", "sweep"),
    inference_commands: ("reconstruct", "denoise", "encode", "decode", "impute"),
    sampling_commands: ("sample", "interpolate", "traverse"),
    editing_commands: ("edit", "feature"),
    anomaly_command: ("score",),
    exploration_commands: ("map", "neighbors", "duplicates", "probe"),
    inspection_commands: ("evaluate", "check", "info", "runs", "recipes", "doctor"),
    report_command: ("report",),
    serve_command: ("serve",),
    export_command: ("export",),
    bench_command: ("bench",),
}


class Commands(CommandsInSections):
    """The list of commands, by what one wants."""

    SECTIONS: ClassVar = {
        "Train": ("train", "resume", "finish", "compare", "sweep"),
        "Compress, clean, fill, score": ("encode", "decode", "reconstruct", "denoise", "impute", "score"),
        "Create and edit": ("sample", "interpolate", "traverse", "edit", "feature"),
        "Explore": ("map", "neighbors", "duplicates", "probe"),
        "Judge and share": ("evaluate", "report", "serve", "export", "runs", "info"),
        "Data and machine": ("check", "recipes", "doctor", "bench"),
    }


def build_app(command: str | None = None) -> typer.Typer:
    """The application with all its commands; with those of the module that holds `command`; or, where none does, with
    their names and texts, which is all that help and the error for an unknown one need.
    """
    holders = [module for module, names in COMMANDS.items() if command is None or command in names]
    app = (typer.Typer if holders else Outline)(
        name="isthmus",
        cls=Commands,
        help="Train, judge and use autoencoders: from images or a table to a judged model in one command.",
        epilog=EXAMPLES,
        no_args_is_help=True,
        rich_markup_mode=None,  # plain help renders in a third of the time, and rich is not imported for it
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    app.callback()(inspection_commands.version_option)
    for module in holders or COMMANDS:
        module.register(app)
    return app


def _warning(message: Warning | str, *where: Any) -> str:
    """A warning in one line, without the place in our code that gave it, and with nothing that a terminal obeys."""
    return f"warning: {printable(str(message))}\n"


def main() -> None:
    """Entry point of the command; ends the process with the exit code of the contract."""
    arguments = sys.argv[1:]
    warnings.formatwarning = _warning
    if not is_first():
        warnings.simplefilter("ignore")  # the first of several processes gives the same
    if launched() is not None:
        # Of a lost connection it logs stack traces, where we tell it in words.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    first = arguments[0] if arguments else ""
    sys.exit(run_guarded(build_app(None if COMPLETING in os.environ else first), arguments))
