"""The answers of a run's models to altered rows of its data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lockgate.data.contract.declared import contract_in_metadata
from lockgate.errors import DataError, GateBroken
from lockgate.evaluation.behaviour.alteration import Alteration
from lockgate.models.input_check import never_missing, selected

if TYPE_CHECKING:
    import pyarrow as pa

    from lockgate.data.contract.feature_contract import FeatureContract
    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.behaviour.altering import Altering
    from lockgate.evaluation.case import Contender
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.models.answers.answer_reader import AnswerReader
    from lockgate.models.input_plan import InputPlan, ModelInput
    from lockgate.runs.case_builder import CaseBuilder


def altered_answers(builder: CaseBuilder, name: str, alteration: Alteration, with_champion: bool) -> Scored:
    """Both models' answers to the altered rows of a data set; a role is lacking that is not given what is altered.

    Raises DataError where the candidate is not given it, or where altering it shows nothing; GateBroken where the answers lie
    in the data; ModelFault.
    """
    from lockgate.evaluation.behaviour.answers import build_altered

    roles = ("candidate", "champion") if with_champion else ("candidate",)
    dataset = builder.case.dataset(name)
    if dataset.spec.scores:
        raise GateBroken(
            f"data.{name}.scores says that no model answers, and altered rows need one",
            remedy="leave scores out, or run this gate on other data",
        )
    digest = hashlib.sha256(f"{alteration} {' '.join(roles)}".encode()).hexdigest()
    key = f"{name}-altered-{digest[:12]}"
    if (stored := builder.scored_files.stored(key)) is not None:
        return stored
    contract = builder.inputs.contract().over(contract_in_metadata(builder.case.candidate.facts.metadata))
    all_readers = builder.readers(dataset, builder.inputs.classes(dataset), replayed=True)
    scorers: dict[str, Callable[[Iterator[Any]], Iterator[Any]]] = {}
    readers: dict[str, AnswerReader] = {}
    altered: dict[str, Altering] = {}
    columns: list[str] = []
    for contender in builder.case.contenders:
        if contender.role not in roles:
            continue
        plan = builder.inputs.checked_plan(contender, dataset)
        altering = _altering(builder, contender, dataset, plan, alteration, contract)
        if altering is None:
            continue
        readers[contender.role] = reader = all_readers[contender.role]
        scorers[contender.role] = builder.inputs.feed(asking(contender, reader, altering), dataset, plan)
        altered[contender.role], columns = altering, list(dict.fromkeys([*columns, *plan.sources]))
    progress = builder.progress
    scored = build_altered(
        dataset,
        scorers=scorers,
        altered=lambda: altered["candidate"].altered,
        readers=readers,
        labels=builder.inputs.label_values(dataset),
        before=builder.case.scored(name),
        columns=columns,
        path=builder.scored_files.path(key),
        progress=None if progress is None else lambda done, rows: progress(f"{name}, {alteration.words}", done, rows),
    )
    builder.scored_files.keep(key, scored, {"altered": str(alteration)})
    return scored


def asking(
    contender: Contender, reader: AnswerReader, altering: Altering
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[Any]]:
    """What alters rows and sends them; of a row that lacks what the signature wants in every row there is no answer."""
    from lockgate.evaluation.behaviour.answers import answering, unanswered

    signature = (contender.facts.signature or {}).get("inputs")
    refused = altering.alteration.way == "drop" and never_missing(signature, altering.facts)
    ask = unanswered if refused else answering(contender.model, reader)
    return lambda batches: ask(altering.batches(batches))


def _altering(
    builder: CaseBuilder,
    contender: Contender,
    dataset: Dataset,
    plan: InputPlan,
    alteration: Alteration,
    contract: FeatureContract,
) -> Altering | None:
    """How rows are altered for a model; None for a champion that is given nothing of it. Raises DataError."""
    from lockgate.evaluation.behaviour.altering import Altering, facts_of, inputs_of, moved_by_noise

    inputs = [column for column in plan.columns if alteration.way == "noise" or column.column == alteration.column]
    if not inputs and contender.role == "champion":
        return None
    if not inputs:
        dataset.need({alteration.column: f"column that {alteration} alters"})
        inputs_words = ", ".join(dict.fromkeys(column.column for column in plan.columns))
        raise DataError(
            f"data {dataset.name!r}: {alteration} alters a column that the candidate is not given; it is given {inputs_words}",
            remedy="name one of these, or leave the line out: what a model is not given changes none of its answers",
        )
    part = replace(plan, columns=tuple(inputs))
    facts = facts_of(selected(part, dataset.batches(part.sources), dataset), [column.name for column in inputs])
    if alteration.way == "noise" and contender.role == "champion" and not moved_by_noise(facts):
        return None
    chosen = inputs_of(alteration, facts, data=dataset.name)
    ends = {column.name: ends for column in inputs if (ends := _ends(contract, column)) is not None}
    return Altering(alteration, chosen, ends, builder.case.seed)


def _ends(contract: FeatureContract, column: ModelInput) -> tuple[float | None, float | None] | None:
    """The range that the feature contract allows an input."""
    feature = contract.features.get(column.name) or contract.features.get(column.column)
    return None if feature is None else feature.range
