"""What the site needs beside docs/: pages from elsewhere in the repository, links that work in both places, and no request.

Called by MkDocs (`hooks` of mkdocs.yml). What is wrong is a warning, which `strict` makes an error.
"""

from __future__ import annotations

import html
import logging
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

LOG = logging.getLogger("mkdocs.hooks.lockgate")
ROOT = Path(__file__).resolve().parents[2]
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", ".github/CONTRIBUTING.md": "contributing.md"}
EXAMPLES = "examples.md"
LINK = re.compile(r"(\]\()(?!https?:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")
FENCE = re.compile(r"(^ *```.*?^ *```)", re.DOTALL | re.MULTILINE)
FETCHED = re.compile(r"""<(?!a\b)[^>]*?\s(?:src|srcset|href|poster|data|action)=["']?((?:https?:)?//[^"'\s>]+)""")
IMPORTED = re.compile(r"""(?:url\(|@import\s+)["']?((?:https?:)?//[^"')\s]+)""")
MARKER = re.compile(r" *(?:[*+-]|[0-9]+[.)]) +")
PARSER = MarkdownIt("commonmark").enable("table")  # reads pages as GitHub does
SHAPES = ("h1", "h2", "h3", "ol", "ul", "li", "table", "tr", "pre", "blockquote")


def on_files(files: Files, config: Any) -> None:
    """Add README, changelog and contributing, and one page of the pipelines and functions that the repository ships."""
    from mkdocs.structure.files import File

    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    files.append(File.generated(config, EXAMPLES, content=examples()))


def examples() -> str:
    """Each file of gates/ and metrics/ in a section of its own."""
    parts = ["# A pipeline for each task\n\nWhat `gates/` and `metrics/` of the repository hold.\n"]
    for path in shipped():
        parts.append(
            f"## {path}\n\n```{'yaml' if path.endswith('.yaml') else 'python'}\n{(ROOT / path).read_text()}```\n"
        )
    return "\n".join(parts)


def shipped() -> list[str]:
    """Paths from the root."""
    files = (*sorted(ROOT.glob("gates/*.yaml")), *sorted(ROOT.glob("metrics/*.py")))
    return [path.relative_to(ROOT).as_posix() for path in files]


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page with its links into the repository turned to where the site has it; people's pages are found first."""
    here = page.file.src_uri
    page.meta["written"] = markdown
    if here.startswith("internals/") or here == PAGES["CHANGELOG.md"]:
        page.meta["search"] = {"boost": 0.2}
    source = next((source for source, target in PAGES.items() if target == here), f"docs/{here}")

    def link(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        target = PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else "")
        anchor = match[3] or ""
        if path in ("gates", *shipped()):
            target, anchor = EXAMPLES, "" if path == "gates" else "#" + re.sub(r"[^\w-]", "", path)
        if not target:
            LOG.warning("%s links to %s, which the site does not have", source, path)
            return match[0]
        return f"{match[1]}{posixpath.relpath(target, posixpath.dirname(here) or '.')}{anchor}"

    turned = "".join(part if place % 2 else LINK.sub(link, part) for place, part in enumerate(FENCE.split(markdown)))
    return as_lists_are_read(turned)


def as_lists_are_read(markdown: str) -> str:
    """The same, with lists indented by fours and set off by blank lines, as MkDocs needs them; GitHub wants neither."""
    lines = markdown.split("\n")
    depth, indent, apart = [0] * len(lines), [0] * len(lines), set[int]()
    for token in PARSER.parse(markdown):
        if token.type not in ("list_item_open", "bullet_list_open", "ordered_list_open") or token.map is None:
            continue
        first, end = token.map
        if not (marker := MARKER.match(lines[first])):  # of a quotation
            continue
        if token.type != "list_item_open":
            apart.add(first)
        else:
            for place in range(first + 1, end):
                depth[place], indent[place] = depth[place] + 1, marker.end()
            if "" in map(str.strip, lines[first:end]):
                apart.add(end)
    shown = []
    for place, line in enumerate(lines):
        if place in apart and place and lines[place - 1].strip() and not depth[place]:
            shown.append("")
        inner = line[indent[place] :] if not line[: indent[place]].strip() else line.lstrip()
        shown.append(" " * 4 * depth[place] + inner if inner.strip() else "")
    return "\n".join(shown)


def on_page_content(content: str, page: Any, **_: Any) -> None:
    """Warn of a page that this Markdown reads as other lists, tables or blocks than GitHub's does."""
    other = PARSER.render(page.meta["written"])
    for shape in SHAPES:
        here, there = (len(re.findall(rf"<{shape}\b", text)) for text in (content, other))
        if here != there:
            LOG.warning("%s has %d <%s> on the site and %d on GitHub", page.file.src_uri, here, shape, there)


def on_post_build(config: Any) -> None:
    """Warn of anything that a page, a style or a picture would fetch from another host."""
    for path in sorted(Path(config.site_dir).rglob("*")):
        pattern = {".html": FETCHED, ".svg": FETCHED, ".css": IMPORTED}.get(path.suffix)
        text = path.read_text(encoding="utf-8") if pattern else ""
        for address in pattern.findall(text) if pattern else ():
            LOG.warning("%s fetches %s", path.relative_to(config.site_dir), html.unescape(address))
