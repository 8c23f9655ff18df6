"""The page: fills the templates, inserts style and script, and sets a policy that allows nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from isthmus.report.markup import Html, legible
from isthmus.version import __version__
from isthmus.wording import elided

TEMPLATES = "templates"
STYLE, SCRIPT = "style.css", "script.js"


def render(template: str, title: str, script: Mapping[str, Any], **values: Any) -> str:
    """A whole page: one HTML text that makes no network requests.

    `script` is the data for script.js, by section. Every text is escaped. The policy allows only this style, this
    script and inline pictures, so that even an unescaped text could neither run nor load anything.
    """
    style, program = asset(STYLE), asset(SCRIPT)
    policy = (
        f"default-src 'none'; img-src data:; style-src {_allowed(style)}; script-src {_allowed(program)}; "
        "base-uri 'none'; form-action 'none'"
    )
    page = _environment().get_template(template)
    return page.render(
        title=title, policy=policy, style=style, program=program, script=script, version=__version__, **values
    )


@cache
def asset(name: str) -> Html:
    """A file of the package that is inserted into every page unchanged."""
    return Html((resources.files("isthmus.report") / TEMPLATES / name).read_text(encoding="utf-8"))


def frame_of(text: str) -> str:
    """A page of the app, with the pieces that it shares with the reports."""
    return _environment().from_string(text).render()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("isthmus.report", TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_readable,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["elided"] = elided
    return environment


def _readable(value: Any) -> Any:
    """A value for a template, without marks that change the text direction and could disguise a name."""
    return legible(value) if type(value) is str else value


def _allowed(text: str) -> str:
    """The CSP source expression that allows exactly this inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
