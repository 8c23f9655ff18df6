"""How numbers, counts and texts from outside are written in sentences, pictures and pages."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Sequence

FROM_ZERO = "rows are counted from 0, without a header"  # as ids are; errors in a file count rows as an editor does


def counted(n: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "image"), counted(2000, "image")
    ('1 image', '2,000 images')
    """
    return f"{n:,} {plural(n, noun)}"


def plural(n: int, noun: str) -> str:
    """The noun in the form that follows the number n.

    >>> plural(1, "image"), plural(0, "image")
    ('image', 'images')
    """
    return noun if n == 1 else f"{noun}s"


def listed(names: Sequence[str], most: int = 5, quote: str = '"') -> str:
    """Names for a sentence, in quotes; names beyond the first `most` are counted.

    >>> listed(["a", "b"]), listed(["a", "b", "c", "d"], 2, quote="")
    ('"a", "b"', 'a, b and 2 more')
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(f"{quote}{name}{quote}" for name in names[:most]) + more


def duration(seconds: float) -> str:
    """A duration for a sentence, in minutes.

    >>> duration(40), duration(75), duration(600)
    ('under a minute', 'about 1 minute', 'about 10 minutes')
    """
    return "under a minute" if seconds < 60 else f"about {counted(round(seconds / 60), 'minute')}"


def time_span(seconds: float) -> str:
    """A span of time for a line of progress, in a unit that people can compare with a clock.

    >>> time_span(16.2), time_span(3_781), time_span(57_057)
    ('16 s', '63 min', '15.8 h')
    """
    if seconds < 90:  # as in the live page
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"


def printable(text: str | os.PathLike[str]) -> str:
    r"""Text for one line of a message: line breaks, control characters and invalid bytes are escaped.

    >>> printable("two\nlines ü")
    'two\\nlines ü'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in os.fspath(text))


def shell_word(text: str | os.PathLike[str]) -> str:
    r"""`text` as one shell word, which bash and zsh read back; escapes the same characters as `printable`.

    >>> shell_word("two words"), shell_word("red\x1b")
    ("'two words'", "$'red\\x1b'")
    """
    text = os.fspath(text)
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_for_shell, text)) + "'"


def _for_shell(c: str) -> str:
    if c in "\\'":
        return f"\\{c}"
    if c.isprintable():
        return c
    byte = ord(c) - 0xDC00 if "\udc80" <= c <= "\udcff" else ord(c)  # a byte of a name in another encoding, or ASCII
    if byte < 0x80 or byte != ord(c):
        return f"\\x{byte:02x}"
    return f"\\u{byte:04x}" if byte <= 0xFFFF else f"\\U{byte:08x}"


def shortened(text: str | os.PathLike[str], most: int = 200) -> str:
    """A text for a message; if it is longer than `most`, its middle is left out.

    >>> shortened("a" * 300, 20)
    'aaaaaaaaaa … aaaaaaaaaa (300 characters)'
    """
    text, half = os.fspath(text), most // 2
    return text if len(text) <= most else f"{text[:half]} … {text[-half:]} ({len(text):,} characters)"


SPANS = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"))  # in seconds
UNITS = {"mlp": ("layer", "unit"), "conv": ("stage", "channel"), "unet": ("scale", "channel")}  # of networks
LEAST_P = 0.0001  # smaller p-values are shown as "<0.0001"


def elided(text: str, most: int) -> str:
    """A name for a picture or a table; if it is longer than `most`, an ellipsis replaces its middle.

    >>> elided("photo-of-a-long-walk.png", 12)
    'photo-…k.png'
    """
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


def p_value(p: float) -> str:
    """A p-value with four decimals, so that p-values in a column line up.

    >>> p_value(0.05), p_value(0.00001)
    ('0.0500', '<0.0001')
    """
    return f"{p:.4f}" if p >= LEAST_P else f"<{LEAST_P}"


def span(seconds: float) -> str:
    """A time difference for a sentence, in a suitable unit, with a minus sign if negative.

    >>> span(90), span(-5_400), span(2.39e8), span(86_400)
    ('1.5 minutes', '-1.5 hours', '2,766 days', '1 day')
    """
    size, name = next((each for each in SPANS if abs(seconds) >= each[0]), (1.0, "seconds"))
    value = seconds / size
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {name.removesuffix('s') if text in {'1', '-1'} else name}"


def number(value: float | None) -> str:
    """A number with three significant digits, because further digits vary from run to run.

    >>> number(0.0123456), number(None)
    ('0.0123', 'not a finite number')
    """
    return "not a finite number" if value is None else f"{value:.3g}"


def label(value: float, digits: int = 2) -> str:
    """A short number for a picture, with a true minus sign; NaN and infinity are dashes. With three digits, 1,234 is
    grouped.

    >>> label(-0.000012), label(0.5), label(1234.0, 3), label(math.nan)
    ('−1.2e−5', '0.5', '1,234', '–')
    """
    if not math.isfinite(value):
        return "–"
    if digits > 2 and 1_000 <= abs(value) < 1e9:
        return f"{value:,.0f}".replace("-", "−")
    return f"{value:.{digits}g}".replace("e-0", "e-").replace("e+0", "e").replace("-", "−")


def cost(value: float, digits: int = 4) -> str:
    """A cost or an error with four decimals, or with `digits` digits if it is very small or large.

    >>> cost(0.06899), cost(0.000012, 2)
    ('0.0690', '1.2e−5')
    """
    return f"{value:.4f}".replace("-", "−") if 0.00095 <= abs(value) < 10 else label(value, digits)


def three_digits(value: float) -> str:
    """Always three digits, with grouped thousands and a true minus sign: for columns of numbers.

    >>> three_digits(0.00283), three_digits(26.4), three_digits(1_083.6), three_digits(1.2e-5)
    ('0.00283', '26.4', '1,084', '1.20e−5')
    """
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 1e6 or abs(value) < 1e-4:
        text = f"{value:.2e}".replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")
    else:
        text = f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
    return text.replace("-", "−")


def widths(network: str, hidden: Sequence[int] | None) -> str:
    """The hidden widths of a network in words.

    >>> widths("mlp", [512, 256]), widths("conv", [32, 64]), widths("unet", [32]), widths("mlp", [])
    ('layers of 512, 256 units', 'stages of 32, 64 channels', '1 scale of 32 channels', 'no hidden layers')
    """
    if not hidden:
        return "no hidden layers"
    kind = next((kind for kind in UNITS if network.startswith(kind)), "mlp")
    level, unit = UNITS[kind]
    each = f"{', '.join(map(str, hidden))} {plural(hidden[-1], unit)}"
    return f"1 {level} of {each}" if len(hidden) == 1 else f"{level}s of {each}"
