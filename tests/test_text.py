"""Untrusted text stays text, in whatever sink it is shown."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from lockgate.text import (
    clauses,
    colon,
    command_message,
    command_property,
    counted,
    cut,
    hide,
    html,
    listed,
    markdown,
    output_line,
    secret_forms,
    without_secrets,
)

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
NASTY = [
    "@octocat @org/team", "![x](https://x.y/z.png)", "<img src=x onerror=alert(1)>", "[a](javascript:x)", "<https://x.y>", "| a | b |",
    "`code` ```", "--> <!-- lockgate:v1 1/2/x -->", "www.example.com", "http://x.y", "mailto:a@b.c", "#12 GH-12 owner/repo#3", "$x^2$ $$y$$",
    ":tada:", "&lt;b&gt; &#64;octocat", "\\", "\\@a \\<b>", "~~x~~ **b** _i_", "a\nb\r\n\n# c", "\u202e\x1b[31m\x00", "[^1] [x]: y", "<details>",
]  # fmt: skip
hostile = st.lists(st.sampled_from(NASTY) | st.text(max_size=8), max_size=4).map("".join)
# What GitHub makes of text without markup, as its own documentation tells it.
AUTOMATIC = re.compile(r"(?i)@\w|(?<!\w)www\.|[a-z]://|(?<!\w)#\d|gh-\d|mailto:\w|:[a-z0-9_+\-]+:")


class Page(HTMLParser):
    """The tags and the text of a rendered page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.cells: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_comment(self, data: str) -> None:
        self.tags.append(f"<!-- {data}")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.cells:
            self.cells[-1] += data


@pytest.mark.parametrize("text", NASTY)
def test_markdown_shows_what_is_nasty_as_it_stands(text: str) -> None:
    """The reader sees the text itself, and in a row of a table it is one cell."""
    page = Page(MARKDOWN.render(f"| a | b |\n|---|---|\n| x {markdown(text)} | y |\n"))

    assert page.tags == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"]
    assert page.cells[2].replace("\u200b", "").strip() == f"x {_seen(text)}".strip()


def _seen(text: str) -> str:
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in " ".join(text.split()))


@given(hostile)
@example("@a")
@example("x:www.y")
def test_nothing_becomes_markup_a_mention_or_a_link(text: str) -> None:
    """In a paragraph, in a cell, in bold and inside a tag: no tag but ours, and nothing that GitHub links by itself."""
    said, tagged = markdown(text), html(text)
    page = Page(
        MARKDOWN.render(
            f"* x {said} y\n\n| a |\n|---|\n| **x {said} y** |\n\n<details><summary>x {tagged}</summary>\n\nz\n"
        )
    )
    ours = ["ul", "li", "table", "thead", "tr", "th", "tbody", "tr", "td", "strong", "details", "summary", "p"]

    assert page.tags == ours
    assert not AUTOMATIC.search(page.text)
    assert "\n" not in said


@given(hostile)
@example(":tada")
@example("x :+1")
@example(":a_b")
def test_a_colon_of_ours_ends_no_emoji(text: str) -> None:
    """Which a colon in the text would have begun; behind any other text it is a colon and nothing else."""
    page = Page(MARKDOWN.render(f"**{colon(markdown(text)).removesuffix(':')}**: y\n\n<p>{colon(html(text))} y</p>\n"))

    assert not AUTOMATIC.search(page.text)
    assert [colon("x:0a"), colon("auc on geo=BR")] == ["x:0a\u200b:", "auc on geo=BR:"]


@given(hostile)
def test_a_workflow_command_stays_one_command(text: str) -> None:
    """Its message and its properties are one line, and a property ends where ours does."""
    line = f"::error file={command_property(text)},line=3::{command_message(text)}"
    properties, _, message = line.removeprefix("::error ").partition("::")

    assert len(line.split("\n")) == len(line.split("\r")) == 1
    assert [part.split("=")[0] for part in properties.split(",")] == ["file", "line"]
    assert _unescaped(message) == text
    assert _unescaped(properties.split(",")[0].removeprefix("file=")) == text


def _unescaped(text: str) -> str:
    for sign, code in ((",", "%2C"), (":", "%3A"), ("\n", "%0A"), ("\r", "%0D"), ("%", "%25")):
        text = text.replace(code, sign)
    return text


@pytest.mark.parametrize("value", ["pass", "by_owner", "", "sha256:" + "0a" * 32])
def test_an_output_is_a_word_or_a_digest(value: str) -> None:
    """And empty where nothing is known, which no consumer takes for a yes."""
    assert output_line("evidence-digest", value) == f"evidence-digest={value}\n"


@pytest.mark.parametrize(
    "value", ["pass\nverdict=fail", "Pass", "sha256:0a", "pass ", "a b", "<<EOF", "sha256:" + "0A" * 32, "pass\n"]
)
def test_any_other_output_is_refused(value: str) -> None:
    """A line end in a value could set another output."""
    with pytest.raises(ValueError, match="outputs are a word or sha256"):
        output_line("verdict", value)


@given(hostile, st.integers(1, 30))
def test_a_cut_line_is_as_long_as_was_asked(text: str, length: int) -> None:
    """With a sign at its end that says that it went on."""
    assert len(cut(text, length)) <= length
    assert cut(text, length).endswith("…") or cut(text, length) == _seen(text)


def test_one_is_one_row_and_all_else_are_rows() -> None:
    """Large numbers have their commas; a plural of its own kind is said."""
    assert [counted(number, "row") for number in (0, 1, 2000)] == ["0 rows", "1 row", "2,000 rows"]
    assert counted(2, "entry", "entries") == "2 entries"


def test_of_many_names_the_first_are_listed_and_the_others_counted() -> None:
    """A number of five signs has its comma."""
    assert [listed(["a", "b", "c"], most) for most in (3, 1)] == ["a, b, c", "a and 2 more"]
    assert listed(["a"] * 12_001, 1) == "a and 12,000 more"
    assert [clauses(["a", "b", "c"], most) for most in (3, 1)] == ["a; b; c", "a; and 2 more"]


@given(st.text(min_size=6, max_size=12).filter(lambda text: len(text.splitlines()) == 1 and "*" not in text), hostile)
@example("to/ken=%1", "")
def test_what_is_hidden_is_found_nowhere(secret: str, text: str) -> None:
    """In a text, a list or a name, as it stands and as it travels; everything else stays as it was."""
    forms = secret_forms([secret, "short"])
    told = {f"{text}{form}": [f"a {form} b", {"x": form}, 7, None] for form in forms}
    kept = hide({**told, "other": text}, forms)

    assert not [form for form in forms if form in repr(kept).replace("***", "")]
    assert hide({"n": [1, True, None, "plain short"]}, forms) == {"n": [1, True, None, "plain short"]}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://u:p@h.x/a/b?token=1#frag now", "see https://***@h.x/a/b?***#*** now"),
        ("'http://h/x?y'", "'http://h/x?***'"),
        ("http://h/x?… is not there (http://h/y?…): no", "http://h/x?… is not there (http://h/y?…): no"),
        ("http://h/x?…token http://u@h/x?…#token", "http://h/x?*** http://***@h/x?…#***"),
        ("s3://bucket/key (postgres://u@h/db)", "s3://bucket/key (postgres://***@h/db)"),
        ("why? x#y a@b.c", "why? x#y a@b.c"),
        (
            "(s3://b/k?versionId=3sL4): s3://b/k?a=1&versionId=3sL4.",
            "(s3://b/k?versionId=3sL4): s3://b/k?versionId=3sL4&***",
        ),
        (
            "s3://b/k?versionId=3sL4&…, gs://b/k#1700000000123456",
            "s3://b/k?versionId=3sL4&…, gs://b/k#1700000000123456",
        ),
    ],
)
def test_an_address_shows_neither_user_nor_query(text: str, shown: str) -> None:
    """Also inside of what is hidden anyway; which version of an object is meant is no secret."""
    assert without_secrets(text) == hide({"a": [text]}, ())["a"][0] == shown
