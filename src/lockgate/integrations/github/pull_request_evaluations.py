"""Evaluations of a holdout on one pull request: its jobs can write them nowhere but into the one comment, out of sight."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, unquote

from lockgate.evidence.evaluations import Evaluation, evaluations_of, written
from lockgate.evidence.evidence import Evidence
from lockgate.text import cut, markdown

_HIDDEN = re.compile(r"^<!-- lockgate/evaluations ([A-Za-z0-9%._]+) -->$", re.MULTILINE)


def evaluations_so_far(comment: str, evidence: Evidence | None) -> tuple[Evaluation, ...]:
    """Those that the comment remembers, and that of the evidence; the least that there were, since anybody may delete it."""
    match = _HIDDEN.search(comment)
    try:
        earlier = () if match is None else Evaluation.read_all(unquote(match[1]))
    except ValueError:
        earlier = ()
    return tuple(dict.fromkeys([*earlier, *(() if evidence is None else evaluations_of(evidence))]))


def hidden_line(evaluations: Sequence[Evaluation]) -> str:
    """The line of the comment that remembers them; empty where there are none. Nothing of it can end a comment of HTML."""
    text = quote(written(evaluations), safe="").replace("-", "%2D").replace("~", "%7E")
    return f"<!-- lockgate/evaluations {text} -->\n" if evaluations else ""


def counted_line(evidence: Evidence, evaluations: Sequence[Evaluation]) -> str:
    """`Evaluated at least: holdout 5 times, 3 of them on this pull request`; empty where this is the first that is known of."""
    entries: Mapping[str, Mapping[str, int]] = evidence.document["run"].get("evaluations") or {}
    clauses = []
    for this in evaluations_of(evidence):
        here = {each.id for each in evaluations if each.is_of(str(this.data), this.rows)} | {this.id}
        least = entries[str(this.data)]["counted"] - 1 + len(here)
        if least > 1:
            clauses.append(
                f"{markdown(cut(str(this.data), 80))} {least:,} times, {len(here):,} of them on this pull request"
            )
    return f"\n<sub>Evaluated at least: {cut('; '.join(clauses), 1_000)}.</sub>\n" if clauses else ""
