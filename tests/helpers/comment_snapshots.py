"""Hold comments to the snapshots of tests/e2e, or write those anew where LOCKGATE_UPDATE_SNAPSHOTS is set."""

from __future__ import annotations

import os
import re
from pathlib import Path

SNAPSHOTS = Path(__file__).parents[1] / "e2e" / "snapshots"


def shown(name: str, text: str) -> None:
    """Hold a comment to its snapshot, or write that anew."""
    path = SNAPSHOTS / f"comment-{name}.md"
    plain = steady(text)
    if os.environ.get("LOCKGATE_UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(plain, encoding="utf-8")
    assert plain.splitlines() == path.read_text(encoding="utf-8").splitlines()


def steady(text: str) -> str:
    """Without what differs between equal runs, in the same form: equal digests and commits stay equal."""
    for pattern, whole in ((r"sha256:([0-9a-f]{64})", "{}"), (r"(?<=`)([0-9a-f]{7,40})(?=`)", "c{}")):
        for number, found in enumerate(dict.fromkeys(re.findall(pattern, text)), start=1):
            text = text.replace(found, (whole.format(number) * 64)[: len(found)])
    for pattern, instead in (
        (r"(?<=<!-- lockgate/evaluations )\S+", "…"),
        (r"http://127\.0\.0\.1:\d+", "https://github.example"),
        (r"(gate:v1 \d+/|pull request )\d+\b", r"\g<1>12"),
        (r"\d{4}-\d\d-\d\dT\d\d:(\u200b?)\d\d:\d\d(\.\d+)?Z", r"2026-12-01T12:\g<1>00:00Z"),
        (r"\d{4}-\d\d-\d\d \d\d:(\u200b?)\d\d\b", r"2026-12-08 12:\g<1>00"),
    ):
        text = re.sub(pattern, instead, text)
    return text
