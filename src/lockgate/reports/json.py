"""The evidence for programs, with what it leaves implied: the digest and counts by verdict."""

from __future__ import annotations

import json

from lockgate.evidence.evidence import Evidence
from lockgate.evidence.finding import Verdict


def render(evidence: Evidence) -> str:
    """Indented JSON: digest, counts, and the evidence document as it stands."""
    findings = [finding for gate in evidence.gates for finding in gate.findings]
    counts = {str(verdict): sum(1 for one in findings if one.verdict is verdict) for verdict in Verdict}
    document = {"digest": evidence.digest, "findings": counts, "evidence": evidence.document}
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
