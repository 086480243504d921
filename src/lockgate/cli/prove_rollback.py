"""Make the rollback proof in a job that runs models and only reads, for the job that promotes and runs none."""

from __future__ import annotations

import os
from dataclasses import replace

from lockgate.cli.notifications import run_url
from lockgate.evidence.evidence import Evidence
from lockgate.pipeline.pipeline import Pipeline
from lockgate.promotion.operator import registry_clock
from lockgate.promotion.preconditions import make_rollback_proof
from lockgate.promotion.rollback_proof import RollbackProof
from lockgate.registries.ports import Registry
from lockgate.runs.run import now
from lockgate.signoff.identity import Identity


def make_proof(
    pipeline: Pipeline, registry: Registry, evidence: Evidence, *, by: Identity, repeat: bool
) -> RollbackProof:
    """Let the outgoing version predict, unless the policy waives that; with repeat, run the repeatable gates again, too.

    Raises Refused where the version does not answer, or where a gate contradicts the evidence.
    """
    from lockgate.runs.promotion_hooks import prove_rollback
    from lockgate.runs.rerun import rerun

    if pipeline.promotion.waiver is None:
        proof = make_rollback_proof(
            registry,
            evidence,
            run=lambda outgoing: prove_rollback(pipeline, registry, outgoing, environ=os.environ),
            by=by,
            clock=registry_clock(registry, now),
            model=pipeline.production_model,
        )
    else:
        proof = RollbackProof(
            pipeline.production_model, evidence.digest, None, None, None, 0, registry_clock(registry, now)(), by
        )
    again = rerun(pipeline, registry, evidence, environ=os.environ) if repeat else None
    return replace(proof, rerun=again, run=run_url(os.environ))


def proof_lines(pipeline: Pipeline, proof: RollbackProof) -> list[str]:
    """What people read of it."""
    if pipeline.promotion.waiver is not None:
        rollback = f"the rollback was not proven, because the proof is waived: {pipeline.promotion.waiver}"
    elif proof.version is None:
        rollback = "nothing holds Production"
    else:
        rollback = f"version {proof.version} answered {proof.rows} rows"
    return [rollback, *([] if proof.rerun is None else proof.rerun.lines)]
