"""Usage errors for the command that was typed: they suggest the nearest option, or show the right form."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import Any

from isthmus.cli.help_sections import plain_argument
from isthmus.errors import UsageError
from isthmus.wording import printable, shell_word

WORDS = (  # messages of the parser's library, and ours
    (r"Input should be a valid integer.*", "expected a whole number"),
    (r"Input should be a valid number.*", "expected a number"),
    (r"Input should be greater than or equal to (\S+?)\.?$", r"expected at least \1"),
    (r"Input should be less than or equal to (\S+?)\.?$", r"expected at most \1"),
    (r"Input should be greater than (\S+?)\.?$", r"expected more than \1"),
    (r"Value error, (.*?)\.?$", r"\1"),
    (r"'.*' is not a valid integer.*", "expected a whole number"),  # older versions of the library
    (r"'.*' is not a valid float.*", "expected a number"),
)

LISTED = {".csv", ".tsv", ".parquet", ".npy"}


def usage_error(error: Any, arguments: Sequence[str]) -> UsageError:
    """The parser's error for a command line with these `arguments`, as one of ours."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else _typed(arguments)
    kind, said = type(error).__name__, _first_words(error)
    see = f"see `{path} --help`"
    if meant := re.search(r" ?Did you mean '?([\w-]+)'?\?$", said):
        return UsageError("USAGE", said[: meant.start()], fix=f"type `{path} {meant[1]}`, or {see}")
    if path == "isthmus":
        return UsageError("USAGE", said, fix=see)
    if kind == "NoSuchOption":
        near = _nearest(str(error.option_name), context)
        return UsageError("USAGE", f"{path}: {_small(said)}", fix=f"type {near}, or {see}" if near else see)
    if kind == "BadParameter":
        return UsageError("USAGE", f"{path}: {_of_value(error, arguments)}", fix=see)
    if "unexpected extra argument" in said and not path.endswith(" decode") and (pattern := _pattern(arguments)):
        return UsageError("USAGE", f"{path}: {_small(said)}", fix=f"to use several files, name a pattern: {pattern}")
    fix = f"write it as `{_form(path, context)}`; {see}" if context is not None else see
    return UsageError("USAGE", f"{path}: {_small(said)}", fix=fix)


def _pattern(arguments: Sequence[str]) -> str | None:
    """A pattern, in quotes, for tables or arrays of one folder and type, which the shell may have listed; None if the
    last arguments are no such files.
    """
    words = [word for before, word in zip(("", *arguments), arguments, strict=False) if not _is_flag(before)]
    listed = list(takewhile(_is_listed, reversed([word for word in words if not _is_flag(word)])))
    paths = [Path(word) for word in listed]
    forms = {(path.parent, path.suffix) for path in paths}
    one = len(paths) > 1 and len(forms) == 1
    return shell_word(paths[0].parent / f"*{paths[0].suffix}") if one else None


def _is_listed(word: str) -> bool:
    return Path(word).suffix.lower() in LISTED and os.path.isfile(word)


def _is_flag(word: str) -> bool:
    return word.startswith("-")


def _typed(arguments: Sequence[str]) -> str:
    named = arguments and not arguments[0].startswith("-")
    return f"isthmus {arguments[0]}" if named else "isthmus"


def _first_words(error: Any) -> str:
    """The parser's sentence, without its lists."""
    text = re.sub(r"\s*\(Possible options: .*\)\.?$", "", error.format_message()).replace("argument(s)", "argument")
    return text if text.endswith((".", "?", ")")) else f"{text}."


def _small(sentence: str) -> str:
    """The sentence in the form that follows a command's name; arguments are in capitals, as in the help."""
    sentence = re.sub(r"(argument )'(\w+)'", lambda found: f"{found[1]}{found[2].upper()}", sentence)
    return sentence[:1].lower() + sentence[1:]


def _options(context: Any) -> list[str]:
    return [flag for parameter in context.command.params for flag in (*parameter.opts, *parameter.secondary_opts)]


def _nearest(typed: str, context: Any) -> str | None:
    """The option that was probably meant, by its spelling or its beginning."""
    names = {flag.lstrip("-"): flag for flag in _options(context) if flag.startswith("--")}
    near = get_close_matches(typed.lstrip("-"), names, n=1, cutoff=0.6)
    begun = [flag for name, flag in names.items() if name.startswith(typed.lstrip("-"))]
    return names[near[0]] if near else begun[0] if len(begun) == 1 else None


def _of_value(error: Any, arguments: Sequence[str]) -> str:
    """What a value has to be, and the value that was typed."""
    flags = list(getattr(error.param, "opts", ()))
    typed = next((_value_of(flag, arguments) for flag in flags if _value_of(flag, arguments) is not None), None)
    text = str(error.message)
    for pattern, words in WORDS:
        text = re.sub(pattern, words, text, flags=re.DOTALL)
    given = "" if typed is None or repr(typed) in text else f" {shell_word(typed)}"
    name = flags[-1] if flags and flags[-1].startswith("-") else getattr(error.param, "name", "")
    return f"{name}{given}: {printable(text.rstrip('.'))}."


def _value_of(flag: str, arguments: Sequence[str]) -> str | None:
    for word, after in zip(arguments, [*arguments[1:], None], strict=True):
        if word == flag:
            return after
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None


def _form(path: str, context: Any) -> str:
    """The form of the command with all it requires: `isthmus score RUN INPUT --out OUT`."""
    parts = [plain_argument(piece) for piece in context.command.collect_usage_pieces(context)[1:]]
    needed = [p for p in context.command.params if p.param_type_name == "option" and p.required]
    return " ".join([path, *parts, *(f"{p.opts[-1]} {p.name.upper()}" for p in needed)])
