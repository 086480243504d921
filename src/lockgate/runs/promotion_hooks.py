"""What a pipeline brings to its promotions: operator, terms, traffic switch and rollback proof."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile

from lockgate.errors import LockgateError, Refused
from lockgate.evidence.completeness import PolicyGate, PolicyGates
from lockgate.gates.gate import Gate
from lockgate.integrations import committers
from lockgate.models.environment import is_secret
from lockgate.models.model import AnswersExample
from lockgate.pipeline.gate_outline import OutlinedGate
from lockgate.pipeline.loader import pipelines
from lockgate.pipeline.pipeline import Pipeline
from lockgate.pipeline.without_champion import undecidable
from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.ledger.standing import Standing
from lockgate.promotion.operator import Operator, registry_clock
from lockgate.promotion.preconditions import PromotionTerms
from lockgate.promotion.rollback_consent import rollback_owners
from lockgate.promotion.rollback_proof import RollbackAnswer
from lockgate.promotion.traffic_switch import switch_traffic
from lockgate.registries.ports import ModelVersion, Registry
from lockgate.registries.selectors import CandidateSelector
from lockgate.runs.case_builder import temporary_case
from lockgate.runs.lookup import open_registry
from lockgate.runs.model_factory import unguarded
from lockgate.runs.run import now
from lockgate.runs.version_selection import select_candidate, select_champion
from lockgate.signoff.decision import Ballot
from lockgate.signoff.identity import Identity
from lockgate.signoff.outlook import approval_obstacles
from lockgate.signoff.policy import SignoffPolicy

SAMPLE_ROWS = 10
_LISTED = 5  # newer versions that are named


def make_operator(
    pipeline: Pipeline,
    *,
    environ: Mapping[str, str],
    registry: Registry | None = None,
    actor: Identity | None = None,
) -> Operator:
    """Whoever calls, or `actor`, with the pipeline's registry, promotion policy and traffic switch."""
    registry = registry or open_registry(pipeline)
    return Operator(
        registry,
        pipeline.production_model,
        promotion=pipeline.promotion,
        actor=actor or committers.current_identity(pipeline.root),
        clock=registry_clock(registry, now),
        switch_traffic=_traffic_switch(pipeline, environ=environ),
        rollback_owners=rollback_owners(pipeline.signoff or SignoffPolicy()),
    )


def make_terms(pipeline: Pipeline) -> PromotionTerms:
    """What the pipeline demands of a promotion."""
    return PromotionTerms(
        pipeline.signoff or SignoffPolicy(),
        pipeline.policy_digest,
        follows_production=pipeline.follows_production,
        gates=policy_gates(pipeline),
    )


def policy_gates(pipeline: Pipeline) -> PolicyGates:
    """What evidence must hold to open a promotion by this pipeline."""
    gates = tuple(_policy_gate(gate) for gate in pipeline.gates)
    waivers = tuple((waiver.finding, waiver.until) for waiver in pipeline.waivers)
    return PolicyGates(gates, waivers, observed=pipeline.mode == "observe", signed=pipeline.signed)


def _policy_gate(gate: Gate) -> PolicyGate:
    known = not isinstance(gate, OutlinedGate) or gate.fields_known
    from_metadata = gate.require is None and (
        not known or type(gate).with_metadata_defaults is not Gate.with_metadata_defaults
    )
    numbered = gate.numbered_requirements
    return PolicyGate(
        gate.title,
        gate.gate,
        gate.severity != "warn",
        None if from_metadata else tuple(name for name, _ in numbered),
        frozenset(name for name, line in numbered if gate.needs_champion(line)) if known else None,
        frozenset(name for name, line in numbered if line.if_inconclusive == "ask"),
    )


def promotion_obstacles(
    pipeline: Pipeline, registry: Registry, measuring: Sequence[Gate], *, commit: str | None, environ: Mapping[str, str]
) -> list[tuple[str, str]]:
    """(what will stop a promotion whatever a run measures, what to do), known before it begins.

    measuring: the gates that will run. commit: that is checked out. Who made what a pull request brings is not asked in
    its job, where the commit is a merge.
    """
    obstacles: list[tuple[str, str]] = []
    policy = pipeline.signoff or SignoffPolicy()
    if not environ.get("GITHUB_EVENT_NAME") or not policy.require:
        authors = () if commit is None else committers.authors(commit, pipeline.root, named=policy.names)
        ballot = Ballot(authors=authors, authors_remedy="commit what is evaluated to git, and run again")
        obstacles += approval_obstacles(policy, ballot, user=committers.current_identity(pipeline.root).id)
    stuck = undecidable(measuring)
    for gate, line in stuck if stuck and select_champion(pipeline, registry) is None else ():
        reason = f"the gate {gate} cannot pass: each of its lines compares with a champion, and there is none"
        obstacles.append((reason, f"add a line that does not, such as {line}"))
    return obstacles


def repeated_production(
    pipeline: Pipeline, registry: Registry, versions: Sequence[ModelVersion], selector: CandidateSelector | None
) -> list[tuple[str, str]]:
    """(that the candidate is Production already, how another version becomes the candidate); empty where it is not.

    versions: the candidate and, where there is one, the champion, with their digests. selector: of the call, which goes
    before the pipeline's.
    """
    candidate, champion = versions[0], versions[-1]
    if len(versions) < 2 or not pipeline.follows_production or not _are_same(candidate, champion):
        return []
    newer = _registered_since(candidate, registry)
    reason = f"{candidate} is Production already, so this run promotes nothing new"
    if newer:
        reason += f"; registered since: {', '.join(newer[:_LISTED])}" + (", …" if len(newer) > _LISTED else "")
    file = None if selector is not None or pipeline.candidate is None else pipeline.candidate.file
    number = newer[0] if newer else "VERSION"
    call = f"gate run --candidate {number}" if file is None else f"echo {number} > {shlex.quote(file)}"
    return [(reason, f"to evaluate another version: {call}")]


def next_evaluation(pipeline: Pipeline, registry: Registry, standing: Standing) -> tuple[str, str]:
    """(call that stages a candidate which is not Production and was not taken out of it, what it does)."""
    from lockgate.promotion.audit.status import EVALUATE

    call, purpose = EVALUATE
    if len(pipelines(pipeline.root)) > 1:
        call = f"gate run {shlex.quote(os.path.relpath(pipeline.path))} --stage"
    if pipeline.candidate is None:
        return f"{call} --candidate VERSION", purpose
    try:
        candidate = select_candidate(pipeline, registry, None)
        current = standing.production and registry.version(pipeline.production_model, standing.production)
    except LockgateError:  # the run says what is wrong with it
        return call, purpose
    where = ""
    if current and _are_same(candidate, current):
        where = "is Production already"
    elif candidate.name == pipeline.production_model and standing.is_withdrawn(candidate.version):
        where = "was taken out of Production by a rollback"
    if not where:
        return call, f"evaluates version {candidate.version}, and stages it on a pass"
    if pipeline.candidate.newest:
        return call, f"once there is a newer version: version {candidate.version}, the newest, {where}"
    number, file = next(iter(_registered_since(candidate, registry)), "VERSION"), pipeline.candidate.file
    call = f"{call} --candidate {number}" if file is None else f"echo {number} > {shlex.quote(file)} && {call}"
    return (
        call,
        f"evaluates another version: version {candidate.version}, the pipeline's candidate, {where}",
    )


def _are_same(candidate: ModelVersion, champion: ModelVersion) -> bool:
    """Whether they are one version, or one a copy of the other in another model."""
    copied = champion.name != candidate.name
    return champion.digest == candidate.digest if copied else champion.version == candidate.version


def _registered_since(version: ModelVersion, registry: Registry) -> list[str]:
    """Newer versions, the newest first; none where the registry lists none."""
    try:
        return [
            each.version
            for each in takewhile(lambda each: each.version != version.version, registry.versions(version.name))
        ]
    except LockgateError:  # the run needs no list of versions
        return []


def _traffic_switch(pipeline: Pipeline, *, environ: Mapping[str, str]) -> Callable[[Entry], str] | None:
    """What makes serving follow an entry of the ledger; None where the pipeline has no promotion.switch."""
    spec = pipeline.promotion.switch
    if spec is None:
        return None
    # Shorter values, such as "1" or "true", would hide half of what the switch says.
    secrets = {value for name, value in environ.items() if len(value) > 5 and is_secret(name, value)}
    return lambda entry: switch_traffic(
        spec, entry, model=pipeline.production_model, root=pipeline.root, environ=environ, secrets=secrets
    )


def prove_rollback(
    pipeline: Pipeline, registry: Registry, version: ModelVersion, *, environ: Mapping[str, str]
) -> RollbackAnswer:
    """Let a version predict its input example (else rows of the data), in a process, from the files to roll back to.

    Returns what it answered to. Raises Refused where it does not answer, or has nothing to answer to.
    """
    remedy = "mend its environment, or log the model again with an input example and promote that first"
    alone = pipeline.promotion.model_copy(update={"copy_to": None})
    in_process = pipeline.model_copy(update={"target": "process", "model": version.name, "promotion": alone})
    with temporary_case(unguarded(in_process), registry, version.version, environ=environ) as builder:
        outgoing = builder.case.candidate
        data = None if outgoing.facts.input_example is not None else next(iter(pipeline.data), None)
        try:
            if data is None and isinstance(outgoing.model, AnswersExample):
                sent = rows = outgoing.model.answer_example()
            else:
                batch = builder.case.sample(outgoing, data, SAMPLE_ROWS)
                sent, rows = batch.num_rows, next(iter(outgoing.model.predict([batch]))).num_rows
        except LockgateError as error:
            raise Refused(
                f"the rollback is not proven: {version}, which holds Production, does not answer: {error.message}",
                code="way_back",
                remedy=remedy,
            ) from error
        if rows != sent or not rows:
            raise Refused(f"the rollback is not proven: {version} answered {rows} rows", code="way_back", remedy=remedy)
        return RollbackAnswer(data or "input example", rows, str(outgoing.version.digest))
