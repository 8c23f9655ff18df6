"""Names of months in German, French and Spanish, and abbreviations with a point: to English and back."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

ENGLISH = (
    "January February March April May June July August September October November December",
    "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
)
STYLES = (  # each from January to December
    "Jan. Feb. Mar. Apr. May Jun. Jul. Aug. Sep. Oct. Nov. Dec.",
    "Jan. Feb. March April May June July Aug. Sept. Oct. Nov. Dec.",
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "Jänner Februar März April Mai Juni Juli August September Oktober November Dezember",
    "Jan Feb Mär Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
    "Jan. Feb. Mär. Apr. Mai Jun. Jul. Aug. Sep. Okt. Nov. Dez.",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "janv févr mars avr mai juin juil août sept oct nov déc",
    "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "ene feb mar abr may jun jul ago sep oct nov dic",
    "ene feb mar abr may jun jul ago sept oct nov dic",
    "ene. feb. mar. abr. may. jun. jul. ago. sep. oct. nov. dic.",
    "ene. feb. mar. abr. may. jun. jul. ago. sept. oct. nov. dic.",
)
WORD = r"\p{L}{3,}\.?"  # two letters are AM, PM, or the "de" of 3 de marzo
PARTS = rf"(?s)^(.*?)({WORD})(.*)$"
KNOWN = {name.lower() for line in ENGLISH for name in line.split()}
IN_ENGLISH = {
    name.lower(): english
    for line in STYLES
    for name, english in zip(line.split(), ENGLISH[1].split(), strict=True)
    if name.lower() not in KNOWN
}
SIGNS = ("%B", "%b")
MARK = "\ue000"  # a character of no text, in front of the number of a month


def has_names(pattern: str) -> bool:
    """Whether a strftime pattern writes the names of months."""
    return any(sign in pattern for sign in SIGNS)


def in_english(texts: pl.Series) -> pl.Series:
    """The texts with the names of STYLES in English; names that are English already stay as they are.

    >>> in_english(pl.Series(["3. März 2024", "12 févr. 2023", "1 May 2024"])).to_list()
    ['3. Mar 2024', '12 Feb 2023', '1 May 2024']
    """
    words = _words(texts)
    if not words.is_in(list(IN_ENGLISH)).any():
        return texts
    parts = texts.str.extract_groups(PARTS).struct.unnest()
    before, word, after = parts.get_columns()
    english = words.replace_strict(IN_ENGLISH, default=word, return_dtype=pl.String)
    return pl.select(pl.coalesce(pl.concat_str(before, english, after), texts)).to_series()


def names_in(texts: pl.Series, pattern: str) -> tuple[str, ...]:
    """The twelve names by which most of the texts can be written again, in their case; () if the pattern writes them.

    >>> names_in(pl.Series(["3. MÄRZ 2024", "1. MAI 2024"]), "%d. %B %Y")[4]
    'MAI'
    """
    words = texts.str.extract(rf"({WORD})").alias("word")  # the column itself may be called count
    found = words.drop_nulls().value_counts()
    counts = dict(zip(found.to_series(0).to_list(), found.to_series(1).to_list(), strict=True))
    usual = ENGLISH["%b" in pattern]
    made = [_in_case(line.split(), list(counts)) for line in (usual, *ENGLISH, *STYLES)]
    best = max(made, key=lambda names: sum(n for word, n in counts.items() if word in names))  # the first of the best
    return () if " ".join(best) == usual else best


def written(moments: pl.Series, pattern: str, names: Sequence[str]) -> pl.Series:
    """Datetimes as text, with these names of months."""
    marked = pattern
    for sign in SIGNS:
        marked = marked.replace(sign, f"{MARK}%m")
    texts = moments.dt.strftime(marked).to_list()
    return pl.Series([re.sub(rf"{MARK}(\d\d)", lambda found: names[int(found[1]) - 1], text) for text in texts])


def _words(texts: pl.Series) -> pl.Series:
    return texts.str.extract(rf"({WORD})").str.to_lowercase()


def _in_case(names: Sequence[str], words: Sequence[str]) -> tuple[str, ...]:
    """The names in the case of the words: lower, upper, or with a capital letter."""
    same = next((case for case in (str.lower, str.upper, str.capitalize) if all(case(w) == w for w in words)), None)
    return tuple(names if same is None else map(same, names))


__all__ = ["has_names", "in_english", "names_in", "written"]
