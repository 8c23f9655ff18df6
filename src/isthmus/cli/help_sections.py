"""Help in sections by purpose, for the list of commands and for the options of a command."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from typer.core import TyperCommand, TyperGroup

OWN, GENERAL = "Options", "General"  # options of one command, and options of all commands

LONG = 200  # characters; longer than the first sentence of any command, so that none is cut
# The parser's names of types that a user need not know.
TYPES = {
    "<str>": "<text>", "<list[str]>": "<text>", "<list[int]>": "<int>", "<int range>": "<int>",
    "<float range>": "<float>",
}  # fmt: skip


class CommandInSections(TyperCommand):
    """A command whose help lists its options under their headings, in order of first use, and names arguments in
    capitals, as its text does.
    """

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [plain_argument(piece) for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections.setdefault(_heading(parameter), []).append(_plain(*record, parameter))
        for heading in sorted(sections, key=lambda h: (h != "Arguments", h != OWN, h == GENERAL)):
            with formatter.section(heading):
                formatter.write_dl(sections[heading])


class CommandsInSections(TyperGroup):
    """A list of commands under headings; `SECTIONS` maps each heading to its commands."""

    SECTIONS: ClassVar[dict[str, tuple[str, ...]]] = {}

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        found = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        shown = {name: command for name, command in found.items() if command is not None and not command.hidden}
        for heading, names in self.SECTIONS.items():
            rows = [(name, shown[name].get_short_help_str(LONG)) for name in names if name in shown]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


def plain_argument(piece: str) -> str:
    """An argument without the parser's marks and type.

    >>> plain_argument("{run}"), plain_argument("{RUN…}..."), plain_argument("[data]"), plain_argument("run <str>")
    ('RUN', 'RUN…', '[DATA]', 'RUN')
    """
    piece = re.sub(r"^\{(.*)\}(\.\.\.)?$", r"\1", piece)
    return re.sub(r" <[^<>]*>$", "", piece).upper()


def _plain(name: str, text: str, parameter: Any) -> tuple[str, str]:
    """The name and the text of a parameter, as the help shows them."""
    if parameter.param_type_name == "argument":
        return plain_argument(name), text
    if parameter.multiple and "may be repeated" not in text:
        text = f"{text} May be repeated."
    return re.sub(r"<[^<>]*>$", lambda found: TYPES.get(found[0], found[0]), name), text


def _heading(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return "Arguments"
    return GENERAL if parameter.name == "help" else getattr(parameter, "rich_help_panel", None) or OWN
