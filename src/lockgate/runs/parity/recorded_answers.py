"""Hold the champion's answers to those that are on record of the same rows."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lockgate.errors import RegistryError

if TYPE_CHECKING:
    from lockgate.data.dataset import Dataset
    from lockgate.evaluation.scoring.scored_table import Scored
    from lockgate.runs.case_builder import CaseBuilder


def as_recorded(builder: CaseBuilder, name: str, scored: Scored) -> Scored:
    """The scores of a data set, where the champion's are those on record. Raises GateBroken where they are not.

    Rows that a moving window chooses, or of which a candidate has seen others, answers that lie in the data, and a model that answers the same rows otherwise in one
    run are compared with nothing.
    """
    from lockgate.evaluation.parity.recorded_scores import need_recorded_scores

    champion, dataset = builder.case.champion, builder.case.dataset(name)
    if champion is None or scored.champion is None or builder.published is None or not scored.rows:
        return scored
    if dataset.spec.scores or dataset.window is not None or "champion" in scored.unrepeatable:
        return scored
    if scored.rows < dataset.count_all():
        return scored
    with suppress(RegistryError):  # a run that only reads needs no store
        need_recorded_scores(
            scored.champion, builder.published(), champion=champion.version, data=name, digest=dataset.digest
        )
    return scored


def score_entry(scored: Scored, dataset: Dataset) -> dict[str, Any]:
    """What the entry of a scored table says of the candidate's scores; nothing where there are none, or of some rows alone."""
    from lockgate.evaluation.parity.recorded_scores import ScoreRecord

    if scored.candidate is None or not scored.rows or scored.rows < dataset.count_all():
        return {}
    return {"scores": {"candidate": ScoreRecord.of(scored.candidate).to_json()}}
