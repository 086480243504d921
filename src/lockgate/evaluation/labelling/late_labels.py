"""What a pipeline says of labels that come after the answers, and by which lines they judge requests."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from lockgate.config import Config, Duration, Share
from lockgate.evaluation.requirements.field import RequirementField
from lockgate.evaluation.requirements.requirement import Requirement

# Codes of findings that too few labels leave undecided, or labels of one decision alone.
UNLABELLED, SELECTIVE = "unlabelled", "selective_labels"
LABELS = "labels"
"""In the detail of such a finding: of how many requests how many are judged."""
Name = Annotated[str, StringConstraints(min_length=1)]


class LateLabels(Config):
    """Labels of recorded requests that come later, and what must hold by them."""

    id: Name | None = Field(
        default=None, description="Column of the labels that names the request; called as `id` of the data by default."
    )
    label: Name = Field(description="Column of the labels that holds the truth.")
    time: Name | None = Field(
        default=None,
        description="Column that says when a label became known: of several of one request the newest counts.",
    )
    matured: Duration | None = Field(
        default=None,
        description="How old a request is before it is judged, such as `30d`; needs `time` of the data. Any by default.",
    )
    coverage: Share = Field(
        description="Share of the requests that must be labelled, such as `80%`: of all, of each slice that is judged, and of "
        "what each model decides alike; nothing is decided below it."
    )
    require: tuple[RequirementField, ...] = Field(
        min_length=1, description="What must hold by the labels, as in the gate `metrics`: `recall >= champion - 0.03`."
    )

    def id_column(self, data_id: str) -> str:
        """The column of the labels that names the request."""
        return self.id or data_id

    @property
    def numbered_requirements(self) -> list[tuple[str, Requirement]]:
        """(rN, requirement) of every line, r1 the first."""
        return [(f"r{number}", line) for number, line in enumerate(self.require, start=1)]
