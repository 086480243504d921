"""A YAML text gives plain values with their places, or a refusal in a moment."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.errors import PipelineError
from lockgate.pipeline import yaml_reader as yamlfile

LAUGHS = "a: &a [x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


def refusal(text: str) -> str:
    with pytest.raises(PipelineError) as caught:
        yamlfile.read(text, display_name="x.yaml")
    return str(caught.value)


def test_values_are_those_of_yaml_1_2() -> None:
    """What YAML 1.1 would turn into booleans, minutes, octals and dates stays text."""
    text = "[no, off, Yes, 1:30, 0x10, 0o7, 007, 1_000, 2026-11-21, true, False, ~, null, 7, -3, +4, 0.5, .5, 5., 1e-3]"

    assert yamlfile.read(text).data == [
        *("no", "off", "Yes", "1:30", "0x10", "0o7", "007", "1_000", "2026-11-21"),
        *(True, False, None, None, 7, -3, 4, 0.5, 0.5, 5.0, 0.001),
    ]  # fmt: skip


def test_quotes_and_blocks_are_text() -> None:
    """A value in quotes is never a number."""
    assert yamlfile.read("a: '1'\nb: \"true\"\nc: |\n  1\n").data == {"a": "1", "b": "true", "c": "1\n"}


def test_every_value_and_key_has_its_place() -> None:
    """Lines and columns count from 1, characters and not bytes."""
    places = yamlfile.read("näme: x\nb:\n  - {c: 1}\n", display_name="f.yaml").nodes

    assert {path: (str(node.at), node.key and str(node.key)) for path, node in places.items()} == {
        (): ("f.yaml:1:1", None),
        ("näme",): ("f.yaml:1:7", "f.yaml:1:1"),
        ("b",): ("f.yaml:3:3", "f.yaml:2:1"),
        ("b", 0): ("f.yaml:3:5", None),
        ("b", 0, "c"): ("f.yaml:3:9", "f.yaml:3:6"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.yaml:1:1: the file is empty"),
        ("# only a comment\n", "x.yaml:1:1: the file is empty"),
        ("a: 1\n---\nb: 1\n", "x.yaml:2:1: a second document begins here; a pipeline is one document"),
        (
            "a: &b 1\n",
            "x.yaml:1:4: anchors and aliases are not read; write the values out, or share a file by extends",
        ),
        ("a: {<<: b}", "x.yaml:1:5: merge keys (<<) are not read; use extends"),
        ("? {a: b}\n: 1\n", "x.yaml:1:3: a key is a mapping or a list here; keys are text"),
        ("a: \x00", "x.yaml:1:4: a YAML file cannot hold the character U+0000"),
        ("a:\n\t- b", "x.yaml:2:1: a tab cannot indent YAML; use spaces"),
        ("[" * 100_000, "x.yaml:1:51: this is nested deeper than 50 levels"),
        ("{a: " * 100_000, "x.yaml:1:201: this is nested deeper than 50 levels"),
        ("- " * 100_000, "x.yaml:1:101: this is nested deeper than 50 levels"),
        ("- a\n" * 200_000, "x.yaml:20000:3: the file holds more than 20,000 values, which no pipeline does"),
        ("a" * 1_000_001, "x.yaml:1:1: the file is larger than 1 MB, which no pipeline is"),
        (
            LAUGHS,
            "x.yaml:1:4: anchors and aliases are not read; write the values out, or share a file by extends",
        ),
    ],
)
def test_what_attacks_or_surprises_is_refused(text: str, message: str) -> None:
    """The refusal says where; what would grow without end is refused before it does."""
    assert refusal(text) == message


def test_what_is_refused_value_by_value_is_said_at_once() -> None:
    """Tags, duplicates, numbers without a value and keys that are no text are all complained about together."""
    text = 'a: !!python/object/apply:os.system [{b: c}]\na: 2\nd: .nan\ne: 1e999\nf: 9007199254740993\n1: x\ng: "\\0"\n'

    assert list(map(str, yamlfile.read(text, display_name="x.yaml").complaints)) == [
        "x.yaml:1:4: the tag !!python/object/apply:os.system is not read; write the value plainly",
        "x.yaml:2:1: the key 'a' is given twice; it stands in line 1 already",
        "x.yaml:3:4: .nan is not a number that anything can be compared with",
        "x.yaml:4:4: 1e999 is too large for a number",
        "x.yaml:5:4: 9007199254740993 is too large for an exact number; write it in quotes as text",
        'x.yaml:6:1: the key 1 is not text; write it in quotes: "1"',
        "x.yaml:7:4: a value cannot hold a NUL character",
    ]


def test_complaints_end_somewhere() -> None:
    """A file of nothing but faults is not answered with a million lines."""
    assert len(refusal("- .nan\n" * 10_000).splitlines()) == yamlfile.MAX_COMPLAINTS + 1


def test_a_large_file_is_refused_by_its_size(tmp_path: Path) -> None:
    """Ten megabytes are not read to find out."""
    path = tmp_path / "large.yaml"
    path.write_bytes(b"a: b\n" * 2_000_000)

    with pytest.raises(PipelineError, match=r"large\.yaml:1:1: the file is larger than 1 MB, which no pipeline is"):
        yamlfile.load(path, display_name="large.yaml")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\x00", "x:1:1: this is not UTF-8 text"),
        (b"a: 1\nb: \xff\xfe", "x:2:4: this is not UTF-8 text"),
        ("a: 1".encode("utf-16"), "x:1:1: this is not UTF-8 text"),
        (b"PK\x03\x04", "x:1:3: a YAML file cannot hold the character U+0003"),
    ],
)
def test_binary_files_are_refused(data: bytes, message: str) -> None:
    """What is no text says where it stops being one."""
    with pytest.raises(PipelineError) as caught:
        yamlfile.read_bytes(data, display_name="x")

    assert str(caught.value) == message


def test_a_byte_order_mark_is_no_fault() -> None:
    """Some editors write one."""
    assert yamlfile.read_bytes(b"\xef\xbb\xbfa: 1", display_name="x").data == {"a": 1}


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder and a missing file are told apart; of a folder its files are named."""
    with pytest.raises(PipelineError, match=r"x: this is a folder$"):
        yamlfile.load(tmp_path, display_name="x")
    (tmp_path / "churn.yaml").touch()
    with pytest.raises(PipelineError, match=r"x: this is a folder; name a file in it: churn\.yaml"):
        yamlfile.load(tmp_path, display_name="x")
    with pytest.raises(PipelineError, match="x: there is no such file"):
        yamlfile.load(tmp_path / "none", display_name="x")
    with pytest.raises(PipelineError):
        yamlfile.load(Path("a\0b"), display_name="x")


FRAGMENTS = st.sampled_from(
    [
        *"abc:-?[]{},&*!|>'\"%@`#~ \n\t\r",
        "\n",
        "\n  ",
        ": ",
        "- ",
        "<<: ",
        "---\n",
        "...\n",
        "!!str ",
        "&a ",
        "*a",
        "\\x41",
        "1e9",
        ".inf",
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(FRAGMENTS, max_size=30).map("".join)))
def test_any_text_gives_data_or_a_refusal(text: str) -> None:
    """Nothing else is ever raised, and every complaint has a place."""
    complaints: tuple[str, ...] = ()
    places: Mapping[yamlfile.NodePath, yamlfile.Node] = {}
    try:
        places = yamlfile.read(text, display_name="x").nodes
    except PipelineError as error:
        complaints = error.complaints

    assert all(complaint.startswith("x:") for complaint in complaints)
    assert all(node.at.line > 0 < node.at.col for node in places.values())
    assert complaints or places


@given(st.binary(max_size=60))
def test_any_bytes_give_data_or_a_refusal(data: bytes) -> None:
    """Nothing else is ever raised."""
    with contextlib.suppress(PipelineError):
        yamlfile.read_bytes(data, display_name="x")
