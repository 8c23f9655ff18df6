"""Lines of text in chunks, whatever the encoding."""

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.data.inputs import InputFile
from isthmus.data.tables.text import Lines, chunks_of_lines, find_encoding
from isthmus.errors import DataError, UsageError


def chunks(path: Path, content: bytes, *, size: int = 16, encoding: str | None = None) -> list[Lines]:
    path.write_bytes(content)
    with InputFile(path) as file:
        return list(chunks_of_lines(file, find_encoding(file, encoding)[0], size=size))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=st.lists(st.text(alphabet='ab,1é"', max_size=12), min_size=1, max_size=30), size=st.integers(1, 40))
def test_chunks_are_the_text_cut_outside_quotes(tmp_path: Path, lines: list[str], size: int) -> None:
    text = "\n".join(lines)
    content = text.encode() + b'"' * (text.count('"') % 2) or b"a"
    found = chunks(tmp_path / "a.csv", content, size=size)
    assert b"".join(part.data for part in found) == content
    for part in found:
        before = content[: part.offset]
        assert (part.row, before.count(b'"') % 2) == (before.count(b"\n") + 1, 0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_fault_17_marked_encodings_are_read_and_said(tmp_path: Path, encoding: str) -> None:
    found = chunks(tmp_path / "a.csv", "a,é\n1,2\n".encode(encoding))
    assert b"".join(part.data for part in found).decode() == "a,é\n1,2\n"
    with InputFile(tmp_path / "a.csv") as file:
        assert bool(find_encoding(file, None)[1]) == (encoding != "utf-8-sig")


def test_fault_17_unmarked_utf16_is_named_with_the_byte(tmp_path: Path) -> None:
    for encoding, at in (("utf-16-le", 1), ("utf-16-be", 0)):
        content = "a,b\n1,2\n".encode(encoding)
        with pytest.raises(DataError, match=f"byte {at} is NUL, and so is every second byte") as e:
            chunks(tmp_path / "a.csv", content)
        assert e.value.fix == f"pass --encoding {encoding}"
        assert chunks(tmp_path / "a.csv", content, encoding=encoding, size=999)[0].data == b"a,b\n1,2\n"


@pytest.mark.parametrize(("encoding", "text"), [("latin-1", "café"), ("cp1252", "5 €")])
def test_fault_17_other_encodings_are_guessed_with_row_and_byte(tmp_path: Path, encoding: str, text: str) -> None:
    content = f"a,b\n1,2\n{text},3\n".encode(encoding)
    byte = next(i for i, value in enumerate(content) if value > 127)
    message = (
        rf"byte {byte} \(row 3\) is 0x{content[byte]:02x}, which is not UTF-8; in {encoding} it would read '{text}"
    )
    with pytest.raises(DataError, match=message) as e:
        chunks(tmp_path / "a.csv", content)
    assert e.value.fix == f"pass --encoding {encoding}"
    assert chunks(tmp_path / "a.csv", content, encoding=encoding, size=999)[0].data.decode() == content.decode(encoding)


def test_fault_17_nul_bytes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"byte 10 \(row 3\) is NUL"):
        chunks(tmp_path / "a.csv", b"a,b\n1,2\n3,\x004\n")


def test_encodings_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown text encoding 'utf-9'"):
        chunks(tmp_path / "a.csv", b"a", encoding="utf-9")
    with pytest.raises(DataError, match="is not ascii"):
        chunks(tmp_path / "a.csv", b"a,\xe9\n", encoding="ascii")


def test_old_line_ends(tmp_path: Path) -> None:
    assert b"".join(part.data for part in chunks(tmp_path / "a.csv", b"a,b\r1,2\r")) == b"a,b\n1,2\n"
    assert chunks(tmp_path / "a.csv", b"a\r\nb\r\n", size=99)[0].count == 2


def test_fault_20_unclosed_quote_names_its_row(tmp_path: Path) -> None:
    content = b'a,b\n1,"x"\n2,"y\n' + b'3,"z"\n' * 50
    with pytest.raises(DataError, match=r"a\.csv, row 3: a quote opens here and never closes: '2,\"y'") as e:
        chunks(tmp_path / "a.csv", content)
    assert e.value.fix == "close or remove the quote in row 3"


def test_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("isthmus.data.tables.text.LONGEST", 100)
    with pytest.raises(DataError, match="row 1: the line is longer than"):
        chunks(tmp_path / "a.csv", b"1," * 200)


def test_packed_text(tmp_path: Path) -> None:
    found = chunks(tmp_path / "a.csv.gz", gzip.compress(b"a,b\n" * 100), size=50)
    assert b"".join(part.data for part in found) == b"a,b\n" * 100


@pytest.mark.parametrize(
    ("encoding", "asked", "found", "told"),
    [
        ("utf-8", "cp1252", "utf-8", "is UTF-8, not cp1252; it is read as such"),
        ("utf-8", "latin-1", "utf-8", "is UTF-8, not latin-1"),
        ("utf-8-sig", "cp1252", "utf-8", ""),
        ("utf-16", "cp1252", "utf-16", "is UTF-16; it is read as such"),
        ("cp1252", "cp1252", "cp1252", ""),
        ("utf-8", "cp850", "utf-8", "is UTF-8, not cp850"),
        ("cp850", "cp850", "cp850", ""),
        ("gbk", "gbk", "gbk", ""),
    ],
)
def test_fault_17_a_file_in_another_encoding_than_asked_for_is_read_in_its_own(
    tmp_path: Path, encoding: str, asked: str, found: str, told: str
) -> None:
    path = tmp_path / "a.csv"
    words = "Größe" if encoding != "gbk" else "大小"
    path.write_bytes((f"name,{words}\n" + "x,1\n" * 400 + f"{words},2\n").encode(encoding))
    with InputFile(path) as file:
        name, notes = find_encoding(file, asked)
        assert name == found
        assert (told in notes[0]) if told else not notes
        file.rewind()
        text = b"".join(lines.data for lines in chunks_of_lines(file, name)).decode()
    assert text == f"name,{words}\n" + "x,1\n" * 400 + f"{words},2\n"


def test_fault_17_another_encoding_shows_wherever_its_first_letter_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isthmus.data.tables.text.CHUNK", 64)
    for encoding in ("utf-8", "cp1252"):
        (tmp_path / "a.csv.gz").write_bytes(gzip.compress(("x,1\n" * 400 + "Köln,2\n").encode(encoding)))
        with InputFile(tmp_path / "a.csv.gz") as file:
            assert find_encoding(file, "cp1252")[0] == encoding
            assert file.read(4) == b"x,1\n"


@pytest.mark.parametrize("after", ["", "\nx,1\n"])
def test_fault_17_half_a_letter_of_utf_8_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str) -> None:
    text = "x,1\n" * 15 + "café"
    monkeypatch.setattr("isthmus.data.tables.text.CHUNK", len(text))  # é of cp1252 begins a letter of UTF-8
    (tmp_path / "a.csv").write_bytes((text + after).encode("cp1252"))
    with InputFile(tmp_path / "a.csv") as file:
        assert find_encoding(file, "cp1252") == ("cp1252", ())
