"""What is said of columns that only the candidate is given, from the fields of a finding or of a gate's context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockgate.evaluation.judging.number_format import short


def gain_words(gain: Mapping[str, str]) -> str:
    """`with the values of other rows in hint its auc is 0.8558, as it is 0.8895, the champion's 0.8744`."""
    without, own, champion = (short(float(gain[name])) for name in ("without", "candidate", "champion"))
    return (
        f"with the values of other rows in {gain['column']} its {gain['metric']} is {without}, as it is {own}, "
        f"the champion's {champion}"
    )


def finding_words(detail: Mapping[str, Any]) -> str:
    """The end of the sentence of a finding on `gain_from_one_column`; empty where it is on anything else."""
    if (gain := detail.get("column_gain")) is not None:
        return f"; {_of_gain(gain)}: {gain_words(gain)}"
    if detail.get("own_columns") == []:
        return "; the candidate is given no column that the champion is not"
    return ""


def failed_remedy(detail: Mapping[str, Any]) -> str | None:
    """What to do where one column brings too much of the advantage; None of a finding on anything else."""
    if (gain := detail.get("column_gain")) is None:
        return None
    return (
        f"see when {gain['column']} is written: where its value is not there yet when the model is asked, train without it; where it "
        "is, a waiver of this finding says who looked"
    )


def diagnosis_words(context: Mapping[str, Any]) -> str:
    """What a gate adds to its sentence where single columns surely bring the advantage and no line asks; else nothing."""
    note = context.get("own_columns") or {}
    named = [gain for gain in note.get("columns", ()) if gain["column"] in note["named"]]
    if not named:
        return ""
    return f"; {_of_gain(named[0])}: {gain_words(named[0])}; see whether that column is known where the model serves"


def _of_gain(gain: Mapping[str, str]) -> str:
    """`the whole advantage of 0.0151 auc comes from column hint`."""
    without, own, champion = (float(gain[name]) for name in ("without", "candidate", "champion"))
    advantage, part = own - champion, own - without
    share = part / advantage if advantage else 1.0
    much = "the whole" if share >= 1 else f"{100 * share:.0f} % of the" if share > 0 else "nothing of the"
    return f"{much} advantage of {short(abs(advantage))} {gain['metric']} comes from column {gain['column']}"
