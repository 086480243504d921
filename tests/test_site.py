"""What `make docs` refuses, and how links of the repository become links of the site."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    """The file that MkDocs calls."""
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "site" / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(path: str, written: str = "") -> Any:
    return SimpleNamespace(file=SimpleNamespace(src_uri=path), meta={"written": written})


@pytest.mark.parametrize(
    ("where", "written", "shown"),
    [
        ("index.md", "docs/data.md#images", "data.md#images"),
        ("index.md", ".github/CONTRIBUTING.md", "contributing.md"),
        ("contributing.md", "../docs/architecture.md", "architecture.md"),
        ("gates/metrics.md", "../slices.md", "../slices.md"),
        ("gates/metrics.md", "../../gates/fraud.yaml", "../examples.md#gatesfraudyaml"),
        ("faq.md", "../gates", "examples.md"),
        ("faq.md", "../README.md#install", "index.md#install"),
        ("faq.md", "https://example.org/x", "https://example.org/x"),
        ("faq.md", "#verdict", "#verdict"),
    ],
)
def test_a_link_leads_where_it_leads_on_github(hooks: ModuleType, where: str, written: str, shown: str) -> None:
    """Outside of blocks of code, which stay as they are."""
    text = "see [this]({0})\n\n```text\n[this]({0})\n```\n"

    turned = hooks.on_page_markdown(text.format(written), page(where))

    assert turned == text.format(written).replace(written, shown, 1)


def test_a_link_to_what_the_site_lacks_is_refused(hooks: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    """By a warning, which MkDocs makes an error."""
    hooks.on_page_markdown("[code](../src/lockgate/text.py)", page("faq.md"))

    assert caplog.messages == ["docs/faq.md links to src/lockgate/text.py, which the site does not have"]


def test_a_list_is_written_as_mkdocs_reads_it(hooks: ModuleType) -> None:
    """Set off from the paragraph above it; what belongs to an item by four signs, also a table or a block of code."""
    written = "so:\n1. this\n   goes on\n\n   | a |\n   |---|\n2. that\n   - below\n     it\n\n> * quoted\n"

    assert hooks.as_lists_are_read(written) == (
        "so:\n\n1. this\n    goes on\n\n    | a |\n    |---|\n\n2. that\n    - below\n        it\n\n> * quoted\n"
    )


def test_a_page_that_github_reads_otherwise_is_refused(hooks: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    """By the number of its lists, tables, blocks and headings."""
    hooks.on_page_content("<p>so: * this</p>", page("faq.md", "so:\n* this\n"))

    assert caplog.messages == [f"faq.md has 0 <{shape}> on the site and 1 on GitHub" for shape in ("ul", "li")]


def test_a_page_that_fetches_is_refused(hooks: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Pictures, styles, scripts and fonts of other hosts; a link that a reader follows fetches nothing."""
    (tmp_path / "a.html").write_text(
        '<a href="https://a.example">x</a><img src="b.png"><link rel="stylesheet" href="https://b.example/x.css">'
        '<script src="//c.example/x.js"></script>'
    )
    (tmp_path / "b.css").write_text("@import 'https://d.example/x.css'; p { background: url(https://e.example/x) }")

    hooks.on_post_build(SimpleNamespace(site_dir=tmp_path))

    hosts = ("https://b.example/x.css", "//c.example/x.js")
    styles = ("https://d.example/x.css", "https://e.example/x")
    assert caplog.messages == [f"a.html fetches {x}" for x in hosts] + [f"b.css fetches {x}" for x in styles]
