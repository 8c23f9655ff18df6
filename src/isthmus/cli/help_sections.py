"""Help in sections by purpose, for the list of commands and for the options of a command."""

from __future__ import annotations

from typing import Any, ClassVar

from typer.core import TyperCommand, TyperGroup

OWN, GENERAL = "Options", "General"  # options of one command, and options of all commands

LONG = 200  # characters; longer than the first sentence of any command, so that none is cut


class CommandInSections(TyperCommand):
    """A command whose help lists its options under their headings, in order of first use."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections.setdefault(_heading(parameter), []).append(record)
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


def _heading(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return "Arguments"
    return GENERAL if parameter.name == "help" else getattr(parameter, "rich_help_panel", None) or OWN
