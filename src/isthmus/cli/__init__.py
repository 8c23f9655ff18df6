"""The command `isthmus`. This package only parses arguments, calls one library function, and prints the result.

Nothing heavy is imported here: `isthmus --help` needs neither torch nor pydantic.
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
  isthmus train                                   on the 2,000 shipped digits, in about a minute
  isthmus train mnist --noise gaussian:0.5        a denoiser
  isthmus train photos/ --gray --resize 64        on a folder of images
  isthmus train table.csv --label kind            on a table of numbers
  isthmus reconstruct latest photos/ -o out/      encode and decode images
  isthmus encode latest mnist-2k -o codes.csv     the codes of the digits
"""


COMPLETING = "_ISTHMUS_COMPLETE"  # set by a shell that asks for completions
# The commands of each module. Only the module that is needed is registered, because creating options takes time.
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
    """The list of commands, grouped by purpose."""

    SECTIONS: ClassVar = {
        "Train": ("train", "resume", "finish", "compare", "sweep"),
        "Compress, clean, fill, score": ("encode", "decode", "reconstruct", "denoise", "impute", "score"),
        "Create and edit": ("sample", "interpolate", "traverse", "edit", "feature"),
        "Explore": ("map", "neighbors", "duplicates", "probe"),
        "Judge and share": ("evaluate", "report", "serve", "export", "runs", "info"),
        "Data and machine": ("check", "recipes", "doctor", "bench"),
    }


def build_app(command: str | None = None) -> typer.Typer:
    """The application with the commands of the module that has `command`, or with all commands if it is None. For an
    unknown `command`, only with the names and texts of all commands, which is enough for the help and the error.
    """
    holders = [module for module, names in COMMANDS.items() if command is None or command in names]
    app = (typer.Typer if holders else Outline)(
        name="isthmus",
        cls=Commands,
        help="Train, judge and use autoencoders: one command turns images or a table into a judged model.",
        epilog=EXAMPLES,
        no_args_is_help=True,
        rich_markup_mode=None,  # plain help takes a third of the time, and needs no import of rich
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    app.callback()(inspection_commands.version_option)
    for module in holders or COMMANDS:
        module.register(app)
    return app


def _warning(message: Warning | str, *where: Any) -> str:
    """A warning in one line, without its place in the code and without terminal control characters."""
    return f"warning: {printable(str(message))}\n"


def main() -> None:
    """Entry point of the command; ends the process with one of the documented exit codes."""
    arguments = sys.argv[1:]
    warnings.formatwarning = _warning
    if not is_first():
        warnings.simplefilter("ignore")  # the first of several processes shows the same warnings
    if launched() is not None:
        # PyTorch logs stack traces for a lost connection; isthmus prints its own error.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    first = arguments[0] if arguments else ""
    sys.exit(run_guarded(build_app(None if COMPLETING in os.environ else first), arguments))
