"""The pictures in the README: what a terminal shows of `gate run` on the demo's bad candidate, and the head of its report.

`PYTHONPATH=tests python -m helpers.readme_picture` runs it in a tmux of its own, opens its report in Chromium, and writes both anew.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from helpers.browser import Browser, Page

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs" / "pictures" / "run.svg"
REPORT = PICTURE.with_name("report.png")
COMMAND = "gate run --candidate version=2"
WIDTH, HEIGHT = 96, 80
AUTHOR = ("-c", "user.name=Dana", "-c", "user.email=dana@example.org", "-c", "commit.gpgsign=false")
SIGNOFF = """\
signoff:
  groups:
    owners: [{key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKYHsdXnOq2+9Fd9r3H0tRr2a5p0q8fXTdxqyKQ0nG0w olga@example.org"}]
    authors: [{email: dana@example.org}]
  require: {owners: 1}
"""
_COLOURS = ("#3d444d", "#ff7b72", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#76e3ea", "#d1d7e0")
_RGB = [(int(one[1:3], 16), int(one[3:5], 16), int(one[5:], 16)) for one in _COLOURS]
THEME = TerminalTheme((22, 27, 34), (209, 215, 224), _RGB, _RGB)
# Rich's own would load a font from the network, which a picture on a page may not.
FORMAT = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace }}
.{unique_id}-title {{ font: bold 16px system-ui, "Liberation Sans", sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = project(Path(scratch) / "fraud")
        shown = on_a_terminal(folder)
        page = (folder / ".gate" / "latest" / "report.html").read_text(encoding="utf-8")
        REPORT.write_bytes(head_of_report(page, Path(scratch)))
    PICTURE.write_text(picture(shown), encoding="utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)}")


def project(folder: Path) -> Path:
    """The demo's data, models and pipeline with somebody who approves, committed, and its champion in Production."""
    (folder / "gates").mkdir(parents=True)
    shutil.copyfile(ROOT / "gates" / "fraud.yaml", folder / "policy.yaml")
    (folder / "gates" / "fraud.yaml").write_text(f"extends: ../policy.yaml\n{SIGNOFF}", encoding="utf-8")
    (folder / ".gitignore").write_text("*\n!gates/\n!gates/*\n!policy.yaml\n", encoding="utf-8")
    for command in (
        ["git", "init", "--quiet"],
        ["git", "add", "."],
        ["git", *AUTHOR, "commit", "--quiet", "--message", "a fraud model and its gates"],
        [sys.executable, "-m", "lockgate.cli.demo"],
        [sys.executable, "-m", "lockgate.cli", "adopt", "fraud", "--version", "1", "--reason", "it serves already"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def on_a_terminal(folder: Path) -> str:
    """The last screen of the command, with its colours."""
    tmux = ["tmux", "-L", f"lockgate-{folder.parent.name}", "-f", "/dev/null"]
    program = shlex.join([sys.executable, "-m", "lockgate.cli", *COMMAND.split()[1:]])
    typed = f"clear; {program}; tmux wait-for -S done; sleep 60"
    size = ["-x", str(WIDTH), "-y", str(HEIGHT)]
    subprocess.run(
        [
            *tmux,
            "new-session",
            "-d",
            *size,
            "-c",
            str(folder),
            f"env -u NO_COLOR GATE_PYTHON={sys.executable} sh -c '{typed}'",
        ],
        check=True,
    )
    try:
        subprocess.run([*tmux, "wait-for", "done"], check=True, timeout=300)
        screen = subprocess.run([*tmux, "capture-pane", "-e", "-p"], check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    return screen.rstrip()


def head_of_report(document: str, scratch: Path) -> bytes:
    """The page down to the slices of its first gate, as a PNG of few colours."""
    browser = Browser(scratch)
    try:
        page = Page(browser, document, scratch / "report.html")
        page.show(width=1200, dark=False)
        end = page.value(
            "[...document.querySelectorAll('details')].find(each => each.open).getBoundingClientRect().top"
        )
        image = Image.open(BytesIO(page.screenshot())).convert("RGB")
    finally:
        browser.close()
    head = image.crop((0, 0, image.width, round(end))).quantize(64, dither=Image.Dither.NONE)
    head.save(written := BytesIO(), "PNG", optimize=True)
    return written.getvalue()


def picture(screen: str) -> str:
    console = Console(record=True, width=WIDTH, file=Path("/dev/null").open("w"), force_terminal=True)  # noqa: SIM115
    console.print(Text(f"$ {COMMAND}", style="bold"))
    console.print(Text.from_ansi(screen))
    svg = console.export_svg(title="lockgate", theme=THEME, code_format=FORMAT, unique_id="run")
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)


if __name__ == "__main__":
    main()
