"""Look at what the newest version answers, and complete the draft of a pipeline by it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lockgate.cli.drafting.pipeline_text import Draft, no_better_than_chance
from lockgate.cli.drafting.registered import Registered
from lockgate.cli.output import show
from lockgate.errors import LockgateError
from lockgate.evaluation.judging.number_format import short
from lockgate.evaluation.provenance.subjects import COMPLETE
from lockgate.pipeline import loader


def look(
    draft: Draft, newest: Registered, *, text: Callable[[Draft], str], root: Path, task: str | None, chosen: bool
) -> Draft:
    """The draft with how the version's answers are read and what they reach; as it is where it does not answer, which is said.

    task: that was named, None to tell it from the answers. chosen: whether somebody said which label scores speak for.
    """
    if draft.label is None or draft.rows is None or draft.recorded:
        return draft
    from lockgate.cli.drafting.answers import ask
    from lockgate.cli.drafting.limits import Limits, limits
    from lockgate.models.isolation.box import boxed

    show(f"asking {newest.version} for its answers to these rows …")
    try:
        pipeline = loader.read(text(draft), name="pipeline.yaml", root=root, environ=os.environ)
        if not boxed(pipeline.isolation):
            show("it is not asked: this machine has no box for models; see gate doctor")
            return draft
        reading = ask(pipeline, newest, task=draft.task if task else None, environ=os.environ)
    except LockgateError as error:
        show(f"it could not be asked, and gate run will not do better: {error}")
        return replace(draft, refused=True)
    draft = replace(draft, reading=reading, task=reading.task)
    subject = draft.subject[0]

    def measure() -> Limits:
        overall = list(draft.measured_lines.values())
        return limits(reading, pipeline.data["holdout"], overall, draft.compared_on_slices(draft.on_slices[1]))

    measured = measure()
    overall = measured.overall
    if draft.guessed and not chosen and overall is not None and overall.high is not None and overall.high < 0.5:
        other = next(label for label in (draft.rows.labels if draft.rows else ()) if label != draft.positive)
        reading = replace(reading, positive=other)
        draft = replace(draft, reading=reading, positive=other, guessed=False)
        measured = measure()
        show(f"its scores speak for {other}, as the data show")
    if reading.output.method is not None:
        show(
            f"it answers with classes; the pipeline asks for its probabilities, output: {{method: {reading.output.method}}}"
        )
    elif reading.labels_only:
        show("it answers with classes and has no probabilities, so the pipeline asks for accuracy and recall")
    if reading.lacks is not None:
        show(
            f"it was logged without {reading.lacks}, and the pipeline does not ask for one: log the next with signature= and input_example="
        )
    if len(reading.carried) < len(COMPLETE):
        show(
            f"it carries {len(reading.carried)} of the {len(COMPLETE)} facts of where it comes from; of the others the pipeline warns, "
            "and gate run shows the line of code that adds each"
        )
    draft = replace(draft, limits=measured)
    if measured.overall is not None:
        sampled = f", {reading.sampled}" if reading.sampled else ""
        chance = no_better_than_chance(draft)
        allowed = (
            "the pipeline allows a little worse"
            if chance is None
            else f"that is not shown to be better than guessing ({short(chance)}), so that it does not pass the pipeline: "
            f"see whether {draft.label} is the truth"
        )
        show(f"{subject} is {measured.overall.reached} on {reading.table.num_rows:,} of them{sampled}; {allowed}")
    return draft
