"""Report for programs: the evidence with what it leaves implied, the digest and counts by verdict."""

from __future__ import annotations

import json

from lockgate.evidence.finding import Verdict
from lockgate.evidence.run_record import RunRecord


def render(record: RunRecord) -> str:
    """Indented JSON: digest, counts, and the evidence document as it stands."""
    evidence = record.evidence
    verdicts = [finding.verdict for gate in evidence.gates for finding in gate.findings]
    counts = {str(verdict): verdicts.count(verdict) for verdict in Verdict}
    document = {"digest": evidence.digest, "findings": counts, "evidence": evidence.document}
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
