"""The page of `gate reevaluate`: what another policy would have made of the runs, those first for which the answer is another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from lockgate.hashing import short_digest
from lockgate.reports.terminal import STYLES
from lockgate.reports.terminal_layout import Medium, Span, assembled
from lockgate.text import counted

_OUTCOMES = {
    "passes": ("would pass", "pass"),
    "by_owner": ("would wait for an owner who accepts what is undecided", "inconclusive"),
    "blocked": ("would be blocked", "fail"),
    "unknown": ("cannot be judged anew: what that needs is not in the evidence", ""),
}
_AS_MEASURED = "Judged is what the runs measured: other data, another threshold or load would need a new run."
_LISTED, _REASONS = 20, 2
Lines = list[list[Span]]
Run = Mapping[str, Any]


def reevaluation_page(document: Mapping[str, Any], medium: Medium) -> Text:
    """document: as `--json` prints it."""
    runs = document["evidence"]
    lines = medium.sentence(
        f"{counted(document['runs'], 'run')} of {document['model']} under {document['pipeline']}", style="bold"
    )
    if not runs:
        lines += medium.sentence("there is no evidence of it, in .gate/runs or published", hang=0)
    for outcome, (words, style) in _OUTCOMES.items():
        count = document["counts"][outcome]
        if count:
            lines += medium.sentence(words, first=(f"{count:>6,}  ", STYLES[style]), hang=8)
    lines += _turned(document, medium)
    for unread in document["unread"]:
        lines += medium.sentence(unread, first=("warning  ", "yellow"), hang=9)
    listed = [run for run in runs if _turns(run) or run["after"]["outcome"] != "passes"]
    listed.sort(key=lambda run: not _turns(run))
    for run in listed[:_LISTED]:
        lines += [[], *_run(run, medium)]
    hidden = len(listed) - _LISTED
    if hidden > 0:
        lines += [[], *medium.sentence(f"… and {hidden:,} more; --json lists all", style="dim")]
    if runs:
        lines += [[], *medium.sentence(_AS_MEASURED, style="dim")]
    return assembled(lines)


def _turns(run: Run) -> bool:
    return bool(run["before"]["outcome"] != run["after"]["outcome"])


def _turned(document: Mapping[str, Any], medium: Medium) -> Lines:
    """How many runs it would have stopped that were not stopped, and the other way around."""
    sentences = []
    if document["newly_blocked"]:
        sentences.append(f"{document['newly_blocked']:,} of those that it would block passed, or waited for an owner")
    if document["no_longer_blocked"]:
        freed = document["no_longer_blocked"]
        sentences.append(f"{freed:,} that {'was' if freed == 1 else 'were'} blocked would not be")
    if not sentences and document["runs"] and not document["counts"]["unknown"]:
        sentences.append("every run would have come to what it did")
    return medium.sentence("; ".join(sentences), style="bold") if sentences else []


def _run(run: Run, medium: Medium) -> Lines:
    """One run: which, from what to what, and the lines that decide."""
    before, after = run["before"], run["after"]
    verdict = after["verdict"] or {"blocked": "no pass", "unknown": "unknown"}.get(after["outcome"], after["outcome"])
    style = STYLES[_OUTCOMES[after["outcome"]][1]]
    day = str(run["finished_at"] or "")[:10]
    head = f"{before['verdict']} → {verdict}"
    title = f"version {run['version']}, {day}, {short_digest(run['digest'])}"
    lines = medium.sentence(title, first=(f"{medium.plain(head)}  ", style), style="bold")
    reasons = [
        *run["stopped"],
        *(f"{finding['id']}: {finding['reason']}" for finding in run["deciding"]),
        *run["unknown"],
    ]
    listed: Sequence[str] = run["unknown"] if after["outcome"] == "unknown" else reasons
    for reason in listed[:_REASONS]:
        lines += medium.sentence(reason, first=("  ", ""), hang=4)
    if len(listed) > _REASONS:
        lines += medium.sentence(
            f"… and {len(listed) - _REASONS + run['deciding_more']:,} more", first=("  ", ""), style="dim"
        )
    return lines
