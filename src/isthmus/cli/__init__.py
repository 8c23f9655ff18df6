"""The command `isthmus`. This package only parses, calls one library function, and prints.

Nothing heavy is imported here: `isthmus --help` answers without torch or pydantic.
"""

from __future__ import annotations

import sys

import typer

from isthmus.cli import (
    anomaly_command,
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
from isthmus.cli.command_frame import run_guarded

EXAMPLES = """\b
Examples:
  isthmus train                                   the shipped 2,000 digits, in about a minute
  isthmus train mnist --noise gaussian:0.5        a denoiser
  isthmus train photos/ --gray --resize 64        a folder of images
  isthmus train table.csv --label kind            a table of numbers
  isthmus reconstruct latest photos/ -o out/      images through the code and back
  isthmus encode latest mnist-2k -o codes.csv     their codes
"""


def build_app() -> typer.Typer:
    """The application with all its commands."""
    app = typer.Typer(
        name="isthmus",
        help="Train, judge and use autoencoders: from images or a table to a judged model in one command.",
        epilog=EXAMPLES,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # plain help renders in a third of the time, and rich is not imported for it
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    app.callback()(inspection_commands.version_option)
    for module in (
        training_commands,
        comparison_commands,
        inference_commands,
        sampling_commands,
        editing_commands,
        anomaly_command,
        exploration_commands,
        inspection_commands,
        report_command,
        serve_command,
        export_command,
    ):
        module.register(app)
    return app


def main() -> None:
    """Entry point of the command; ends the process with the exit code of the contract."""
    sys.exit(run_guarded(build_app(), sys.argv[1:]))
