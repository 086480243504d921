"""How a comment or a summary looks to whoever reads it: as GitHub lays Markdown out, in a headless Chromium."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

WIDTH = 760  # pixels that GitHub gives a comment
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--disable-dev-shm-usage",
)  # fmt: skip
# Sizes, borders and what breaks where, as GitHub's own stylesheet has them.
STYLE = """
body { margin: 0; padding: 16px; width: %dpx; box-sizing: border-box; color: #1f2328; background: #fff; word-wrap: break-word;
  font: 14px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, "Liberation Sans", sans-serif, "Noto Color Emoji"; }
h1, h2, h3, h4 { margin: 24px 0 16px; font-weight: 600; line-height: 1.25 } body > :first-child { margin-top: 0 }
h1 { font-size: 2em } h2 { font-size: 1.5em } h1, h2 { padding-bottom: .3em; border-bottom: 1px solid #d1d9e0 }
h3 { font-size: 1.25em } h4 { font-size: 1em } p, ul, table, pre, details { margin: 0 0 16px } ul { padding-left: 2em }
table { display: block; width: max-content; max-width: 100%%; overflow: auto; border-spacing: 0; border-collapse: collapse }
th, td { padding: 6px 13px; border: 1px solid #d1d9e0 } th { font-weight: 600 } tr:nth-child(2n) { background: #f6f8fa }
code { padding: .2em .4em; font-size: 85%%; white-space: break-spaces; background: #818b981f; border-radius: 6px }
code, pre { font-family: ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace }
pre { padding: 16px; overflow: auto; font-size: 85%%; line-height: 1.45; background: #f6f8fa; border-radius: 6px }
pre code { padding: 0; font-size: 100%%; white-space: pre; background: none } sub { font-size: 75%%; line-height: 0; position: relative;
  vertical-align: baseline; bottom: -.25em } hr { height: .25em; margin: 24px 0; background: #d1d9e0; border: 0 } a { color: #0969da }
"""
# What cannot be read without scrolling, and the width of every bar that should stand below another.
LOOK = """
const all = [...document.querySelectorAll('body, table, pre, p, li, sub')];
const wide = all.filter(one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0).map(one => one.tagName);
const bars = [...document.querySelectorAll('td code')].map(one => [one.textContent, one.getBoundingClientRect().width,
  one.getClientRects().length]);
const said = {wide: wide, bars: bars, text: document.body.innerText, height: Math.ceil(document.body.getBoundingClientRect().height)};
document.body.appendChild(Object.assign(document.createElement('data'), {id: 'said', hidden: true})).value = JSON.stringify(said);
"""
_MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass(frozen=True)
class Looks:
    """wide: tags that are wider than their place. bars: text, width and lines of each. text: what a reader sees."""

    wide: list[str]
    bars: list[tuple[str, float, int]]
    text: str
    height: int


def page(markdown: str, *, opened: bool = True, width: int = WIDTH) -> str:
    """The whole page. opened: with everything unfolded."""
    body = _MARKDOWN.render(markdown)
    body = body.replace("<details>", "<details open>") if opened else body
    return (
        f"<!doctype html><meta charset=utf-8><style>{STYLE % width}</style><body>{body}<script>{LOOK}</script></body>"
    )


def looks(markdown: str, folder: Path) -> Looks:
    """What Chromium makes of it. folder: empty, for the page and the browser's own files."""
    path = folder / "page.html"
    path.write_text(page(markdown), encoding="utf-8")
    said = json.loads(_left_behind(folder, path))
    return Looks(said["wide"], [tuple(one) for one in said["bars"]], said["text"], said["height"])


def _left_behind(folder: Path, path: Path) -> str:
    done = _browser(folder, "--dump-dom", path)
    found = re.search(r'<data id="said"[^>]* value="([^"]*)"', done)
    assert found is not None, done[-2000:]
    return html.unescape(found[1])


def picture(markdown: str, into: Path, folder: Path, *, opened: bool = True) -> None:
    """A PNG of it."""
    height = looks(markdown, folder).height
    path = folder / "page.html"
    path.write_text(page(markdown, opened=opened), encoding="utf-8")
    _browser(folder, f"--screenshot={into}", path, f"--window-size={WIDTH},{height + 16}")


def _browser(folder: Path, what: str, path: Path, *more: str) -> str:
    browser = chromium()
    assert browser is not None
    call = [
        browser,
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={WIDTH},2000",
        *more,
        what,
        path.as_uri(),
    ]
    return subprocess.run(call, capture_output=True, text=True, check=True, timeout=120).stdout
