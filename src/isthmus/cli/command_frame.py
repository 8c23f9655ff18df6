"""What all commands share: --json, --quiet, --debug, errors in two lines, and exit codes."""

from __future__ import annotations

import errno
import inspect
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Annotated, Any

import typer

from isthmus.cli import output
from isthmus.cli.help_sections import GENERAL, CommandInSections
from isthmus.cli.options import with_settings
from isthmus.cli.progress_line import ProgressLine
from isthmus.cli.usage import usage_error
from isthmus.errors import Interrupted, IsthmusError, ResourceError, UsageError
from isthmus.runs.finding import list_runs
from isthmus.system.files import MORE_FILES, finite_or_null
from isthmus.system.launch import is_first, launched
from isthmus.system.progress import hush, told_to
from isthmus.wording import printable, shortened


def _general(flags: str, text: str, **about: Any) -> Any:
    return typer.Option(*flags.split(), help=text, rich_help_panel=GENERAL, **about)


Json = Annotated[bool, _general("--json", "Print one JSON object; other messages go to stderr.")]
Quietly = Annotated[bool, _general("--quiet -q", "Print only the result and errors.")]
Threads = Annotated[int | None, _general("--threads", "CPU threads. Default: all cores.", min=1)]
Debug = Annotated[bool, _general("--debug", "Show the traceback of errors.")]
EVERYWHERE = (("threads", Threads, None), ("json", Json, False), ("quiet", Quietly, False), ("debug", Debug, False))
LIGHT = {"runs", "recipes", "doctor", "info"}  # commands that compute nothing
TOGETHER = {"train", "resume"}  # commands that several processes of a launcher run together


class Io:
    """The output of a command: text for people, one JSON object for scripts."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.speaks = is_first()  # of several processes, only the first one prints
        self.as_json, self.quiet = as_json, quiet or not self.speaks

    @property
    def people(self) -> Any:
        return sys.stderr if self.as_json else sys.stdout

    @property
    def display(self) -> Any:
        """The display for messages of library functions."""
        from isthmus.training.display import display_on

        return display_on(self.people, quiet=self.quiet)

    def say(self, text: str) -> None:
        """Prints a line for people, unless quiet; escaped like those of `result`."""
        if not self.quiet:
            hush()
            print(printable(text), file=self.people)

    def result(self, value: dict[str, Any], text: str | Sequence[str]) -> None:
        """Prints the outcome, even when quiet: an object for scripts, or one or more lines for people.

        Line breaks and control characters within a line, which may come from names, are escaped.
        """
        if not self.speaks:
            return
        hush()
        if self.as_json:
            print(_json(finite_or_null(value)))
        else:
            print("\n".join(map(printable, [text] if isinstance(text, str) else text)))


class Outline(typer.Typer):
    """An application that only lists its commands, without their options, which take time to create."""


def command(
    app: typer.Typer, function: Callable[..., None], name: str | None = None, *, settings: tuple[str, ...] = ()
) -> None:
    """Registers `function(io, …)` as a command, with the options --threads, --json, --quiet and --debug added.

    `settings` are addresses of the configuration. Each becomes an option, and `function` gets those that were given.
    """
    name = name or function.__name__.replace("_", "-")
    if isinstance(app, Outline):
        app.command(name=name, help=function.__doc__)(_nothing)
        return
    function = with_settings(function, settings) if settings else function
    given = inspect.signature(function, eval_str=True)
    own = [_completed(p) for p in given.parameters.values() if p.name != "io"]
    extra = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for key, kind, default in EVERYWHERE
        if key not in given.parameters and (key != "threads" or name not in LIGHT)
    ]

    has_threads = any(p.name == "threads" for p in extra)

    def run(**values: Any) -> None:
        io = Io(as_json=values.pop("json"), quiet=values.pop("quiet"))
        Failures.debug, Failures.as_json = values.pop("debug"), io.as_json
        if launched() is not None and name not in TOGETHER:
            message = f"`isthmus {name}` runs in one process, but a launcher has started several."
            raise UsageError(
                "USAGE-PROCESSES", message, fix="start it without torchrun, which is only for train and resume"
            )
        threads = values.pop("threads", None) if has_threads else None
        try:
            with _threads(threads), _progress(io):
                function(io, **values)
        except KeyboardInterrupt:  # the parser would exit with code 1
            raise Interrupted("INTERRUPTED", "stopped.", exit_code=130) from None
        except BrokenPipeError:  # the reader, such as head, has ended; typer would report a failure
            raise SystemExit(output.CLOSED) from None

    run.__doc__ = function.__doc__
    run.__name__ = function.__name__
    run.__signature__ = given.replace(parameters=[*own, *extra])  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in [*own, *extra]}
    app.command(name=name, cls=CommandInSections)(run)


def _completed(parameter: inspect.Parameter) -> inspect.Parameter:
    """The same parameter; if it is a run folder, shell completion offers the existing runs."""
    if parameter.name == "run":
        for about in getattr(parameter.annotation, "__metadata__", ()):
            about.autocompletion = _runs_here
    return parameter


def _runs_here(incomplete: str) -> list[str]:
    return [name for name in ("latest", *(str(run.path) for run in list_runs())) if name.startswith(incomplete)]


def _threads(threads: int | None) -> AbstractContextManager[object]:
    """A context that computes with this many threads; None changes nothing and does not import PyTorch."""
    if threads is None:
        return nullcontext()
    from isthmus.training.threads import using_threads

    return using_threads(threads)


def _progress(io: Io) -> AbstractContextManager[object]:
    """A context that shows progress on standard error, so that a pipe gets only the result."""
    return nullcontext() if io.quiet else told_to(ProgressLine(sys.stderr))


def _nothing() -> None:
    """A placeholder for a command in a list of commands."""


def _json(value: Any) -> str:
    """JSON with all unprintable characters escaped: scripts read the same value, and a terminal ignores it."""
    text = json.dumps(value, ensure_ascii=not output.holds_all_letters(sys.stdout), default=str)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


class Failures:
    """How errors are shown; set from the options of the command that runs."""

    debug = False
    as_json = False


def run_guarded(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Runs the command line and returns its exit code; errors become two lines on stderr."""
    Failures.as_json = "--json" in arguments
    output.open_for_all()
    return output.closed(_run(app, arguments))


def _run(app: typer.Typer, arguments: Sequence[str]) -> int:
    try:
        code = app(args=list(arguments), prog_name="isthmus", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except IsthmusError as error:
        return _print_error(error)
    except SystemExit:  # a closed pipe: from `command`, or from the parser, as for --help
        output.abandon(sys.stdout)
        return output.CLOSED
    except KeyboardInterrupt:
        output.write_error("interrupted")
        return 130
    except RecursionError as error:
        if Failures.debug:
            raise
        message = f"an argument is nested too deeply ({error})."
        return _print_error(UsageError("USAGE-NESTED", message, fix="pass plain values, or lists of them"))
    except MemoryError:
        fix = "close other programs, or use fewer samples"
        return _print_error(ResourceError("RESOURCE-MEMORY", "there is not enough memory.", fix=fix))
    except Exception as error:
        return _other(error, arguments)
    except BaseException as error:  # a Rust library panics if it cannot open a file
        if not isinstance(_without_files(error), ResourceError):
            raise
        return _other(error, arguments)


def _without_files(error: BaseException) -> IsthmusError | None:
    """The error for too many open files, recognized by the system's message, which all libraries pass on."""
    if "too many open files" in str(error).lower() or "TooManyOpenFiles" in str(error):
        return ResourceError("RESOURCE-FILES", "too many files are open.", fix=MORE_FILES)
    return None


def _other(error: BaseException, arguments: Sequence[str]) -> int:
    """Reports usage errors of the parser in its words, and anything else as a bug in isthmus."""
    if type(error).__name__ == "NoArgsIsHelpError":  # `isthmus` alone: show the help
        print(getattr(error, "format_message", str)())
        return 0
    if hasattr(error, "format_message"):  # typer's parser errors, whichever module defines them
        return _print_error(usage_error(error, arguments))
    if isinstance(error, typer.Exit | typer.Abort):
        return getattr(error, "exit_code", 1)
    refused = _without_files(error) or (_refusal(error) if isinstance(error, OSError) else None)
    if refused is not None:
        return _print_error(refused.with_traceback(error.__traceback__))
    if Failures.debug:
        raise error
    name = f"{type(error).__name__}: {error}"
    return _print_error(
        IsthmusError(
            "BUG", f"isthmus failed unexpectedly ({name}).", fix="run it again with --debug, and report the traceback"
        )
    )


def _refusal(error: OSError) -> IsthmusError:
    """The error for a refusal of the operating system that was not handled more specifically."""
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is None:
        return output.unwritten(error)
    name = printable(shortened(os.fsdecode(error.filename))) if isinstance(error.filename, str | bytes) else "a file"
    if error.errno == errno.ENAMETOOLONG:
        return UsageError("USAGE-NAME", f"{name}: the name is too long for a file.", fix="use a shorter name")
    fix = "check that the disk works and has space, and that you have permission to read and write there"
    return ResourceError("RESOURCE-SYSTEM", f"{name}: {reason}.", fix=fix)


def _print_error(error: IsthmusError, exit_code: int | None = None) -> int:
    if not is_first() and (error.is_told or isinstance(error, UsageError)):  # rank 0 prints the same error
        return error.exit_code if exit_code is None else exit_code
    if Failures.debug and error.__traceback__ is not None:
        import traceback

        with suppress(OSError):
            traceback.print_exception(error)
    if Failures.as_json:
        try:
            print(_json(error.as_dict()), flush=True)
        except OSError:
            output.abandon(sys.stdout)
    if not Failures.debug:
        output.write_error(str(error))
    return error.exit_code if exit_code is None else exit_code
