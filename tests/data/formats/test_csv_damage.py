"""CSV that parsers take without a word: quotes never closed, headers inside, bytes that are no text."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockgate.data.dataset import Dataset
from lockgate.data.dataset_spec import DatasetSpec
from lockgate.data.formats import DataFile, csv_damage
from lockgate.data.formats.csv_damage import refuse_damage
from lockgate.errors import DataError

ROWS = "k,n,t\n1,2,é\n3,4,z\n"


def refusal(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    try:
        refuse_damage(DataFile(path, path.name))
    except DataError as error:
        return str(error)
    return ""


def read(path: Path, data: bytes) -> list[list[object]]:
    path.write_bytes(data)
    dataset = Dataset("holdout", DatasetSpec(path=path.name), path.parent)
    return [list(row.values()) for batch in dataset.batches() for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ('a,b\n1,"x\n2,y\n3,z\n', 2),
        ('a,b\n1,"x\n2,"y"\n3,z\n', 2),
        ('"a","b"\n"1","x\n"2","y"\n', 2),
        ('a,b\n1,"m\nn"\n2,"x\n3,y', 4),
        ('a,b\r\n1,5" pipe\r\n2,"x\r\n3,y\r\n', 3),
        ('a,b\r1,2\r3,"x\r5,y\r', 3),
        ('a,"b\n1,2\n', 1),
        ('a\n"x\ny\n', 2),
        ('a,b\n1,"x ""y""\n2,z\n', 2),
        ("a,b\n" + "1,2\n" * 100 + '1,"x\n' + "1,2\n" * 300, 102),
    ],
)
def test_a_quote_that_is_never_closed_is_named_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str, line: int
) -> None:
    """Where it opens, also where a later quote seems to close it, and however far behind."""
    monkeypatch.setattr(csv_damage, "_BLOCK_BYTES", 64)

    assert f"d.csv: line {line} opens a quote that is not closed" in refusal(tmp_path / "d.csv", data.encode())


def test_quotes_that_are_closed_are_read(tmp_path: Path) -> None:
    """Cells of several lines, quotes within and in the midst of cells, blanks behind them."""
    data = b'a,b\n"1\n2","x ""y"" z"\n3,5" pipe\n"a,b\nc" ,""\n"q"r,"a,b"\n'

    assert read(tmp_path / "d.csv", data) == [
        ["1\n2", 'x "y" z'], ["3", '5" pipe'], ["a,b\nc ", None], ["qr", "a,b"]
    ]  # fmt: skip


def closed(text: str) -> bool:
    """The same by every sign in turn."""
    quoted = first = True
    quoted, at, multiline = False, 0, False
    while at < len(text):
        sign = text[at]
        if quoted and text[at : at + 2] == '""':
            at += 1
        elif quoted and sign == '"':
            quoted = False
            if multiline and not re.match(r"[ \t]*([,\n\r\t]|$)", text[at + 1 :]):
                return False
        elif quoted:
            multiline |= sign == "\n"
        elif sign == '"' and first:
            quoted, multiline = True, False
        first = not quoted and sign in ",\n"
        at += 1
    return not quoted


@settings(max_examples=400, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.lists(st.sampled_from(["a", ",", '"', '"', "\n", '""', ',"', '",', '"\n', '\n"', " "]), max_size=40).map("".join)
)
def test_quotes_are_followed_as_sign_by_sign(tmp_path: Path, text: str) -> None:
    """In blocks that end amid a line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_damage, "_BLOCK_BYTES", 50)
        told = refusal(tmp_path / "d.csv", f"{text}\n".encode())

    assert bool(told) == (not closed(f"{text}\n")) or "is the header again" in told


@pytest.mark.parametrize(
    ("name", "data", "line"),
    [
        ("d.csv", ROWS + ROWS, 4),
        ("d.csv", "k,t\na,b\nk,t\nc,d\n", 3),
        ("d.csv", '"k","t"\na,b\nk,t\n', 3),
        ("d.csv", 'k,t\na,b\r\n"k","t"', 3),
        ("d.csv", "\ufeffk,t\na,b\n\ufeffk,t\nc,d\n", 3),
        ("d.csv", "k,t\ra,b\rk,t\r", 3),
        ("d.csv", '\nk,t\n"a\nb",c\nk,t\n', 5),
        ("d.csv", "k,t\n" + "a,b\n" * 500 + "k,t\n", 502),
        ("d.tsv", "k\t0\na\tb\nk\t0\n", 3),
    ],
)
def test_a_header_that_is_repeated_inside_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: str, line: int
) -> None:
    """In whatever quotes; columns of numbers would be texts, and a row of texts would be judged."""
    monkeypatch.setattr(csv_damage, "_BLOCK_BYTES", 64)

    assert f"{name}: line {line} is the header again" in refusal(tmp_path / name, data.encode())


@pytest.mark.parametrize(
    "data", ["0,1\n5,6\n0,1\n", "k\na\nk\n", "k,t\nak,t\nk,tt\n", 'k,t\n"a\nk,t\nb",c\n', "k,t\nk,\n,t\n"]
)
def test_rows_that_only_resemble_a_header_are_rows(tmp_path: Path, data: str) -> None:
    """Numbers over numbers, one column of names, parts of it, and a line within a quoted cell."""
    assert not refusal(tmp_path / "d.csv", data.encode())


@pytest.mark.parametrize("name", ["d.csv", "d.csv.gz", "d.jsonl"])
@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-16", "is UTF-16, and only UTF-8 is read; convert it: iconv -f UTF-16 -t UTF-8"),
        ("utf-16-le", "iconv -f UTF-16LE "),
        ("utf-16-be", "iconv -f UTF-16BE "),
        ("utf-32", "is UTF-32"),
        ("utf-32-be", "iconv -f UTF-32BE "),
        ("latin-1", "UTF-8"),
    ],
)
def test_other_encodings_are_named(tmp_path: Path, name: str, encoding: str, told: str) -> None:
    """With what converts them; by their bytes where they have no mark."""
    text = '{"k": 1, "t": "é"}\n' if "json" in name else ROWS
    data = text.encode(encoding)
    with pytest.raises(DataError, match=told):
        read(tmp_path / name, gzip.compress(data) if name.endswith("gz") else data)


@pytest.mark.parametrize("data", ["k,n,t\n1,2,\0\n", "k,n,t\n1,\0,z\n", "k,n,t\n1,2,z" + "\0" * 200])
def test_a_nul_byte_is_no_text(tmp_path: Path, data: str) -> None:
    """Among few or many, as a crash leaves them."""
    assert "d.csv: line 2 holds a NUL byte" in refusal(tmp_path / "d.csv", data.encode())


def test_carriage_returns_alone_end_lines(tmp_path: Path) -> None:
    """And a mark of UTF-8 belongs to no column's name."""
    rows = [[1, 2, "é"], [3, 4, "z"]]
    assert read(tmp_path / "d.csv", ROWS.replace("\n", "\r").encode()) == rows
    assert read(tmp_path / "d.csv", ("\ufeff" + ROWS).encode()) == rows
