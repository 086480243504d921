"""Write the pipeline that `gate init` would, for a model that was tried and is still to be registered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lockgate.cli.drafting.owners import Signers, local_keys
from lockgate.cli.drafting.pipeline_text import Draft, pipeline_text
from lockgate.cli.trial.question import Subject
from lockgate.data.dataset import Dataset
from lockgate.errors import UsageError
from lockgate.models.model import Output
from lockgate.pipeline import loader
from lockgate.references.address import redacted


def require_free(path: Path, data: str, *, root: Path) -> None:
    """Raise UsageError where no pipeline can be written there, or none that names these data."""
    if redacted(data) != data:
        raise UsageError(
            "--write: the address of the data holds what lets somebody in, and a pipeline is committed",
            remedy="write the pipeline with gate init, and the address with a variable: ${NAME}",
        )
    if path.exists():
        raise UsageError(f"{path} is there already", remedy="name another file with --write")
    if path.suffix not in (".yaml", ".yml") or path.absolute().parent != root / "gates":
        raise UsageError(f"--write: {path} is no pipeline of this project", remedy="write --write gates/NAME.yaml")


def write_pipeline(path: Path, subject: Subject, *, version: str, root: Path) -> list[Path]:
    """Write the pipeline of the model that the file is named after, and the file of its version; returns what was written."""
    from lockgate.pipeline.json_schema import schema_text

    candidate = Path("models") / f"{path.stem}.version"
    signers = Signers(key=next(local_keys(Path.home(), root), None))
    text = pipeline_text(path.stem, _draft(subject, version), version=candidate, signers=signers)
    loader.read(text, name=path.name, root=root)  # what is not valid is not written
    written = []
    for file, content in (
        (path, text),
        (path.with_name("schema.json"), schema_text(root=root)),
        (root / candidate, f"{version if subject.question.is_numbered(version) else 1}\n"),
    ):
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content, encoding="utf-8")
            written.append(file)
    return written


def _draft(subject: Subject, version: str) -> Draft:
    from lockgate.cli.drafting.answers import Reading

    model, question = subject.models["candidate"], subject.question
    output = Output(method=model.scoring if subject.kind in ("binary", "multiclass") else None)
    reading = Reading(
        subject.task, output, subject.kind == "labels", subject.rows, "", (), subject.positive, row_time=None
    )
    slices = question.slices or subject.outline.slices
    rows = Dataset("holdout", subject.data.spec.model_copy(update={"label": subject.label}), subject.data.root)
    return Draft(
        rows,
        subject.label,
        subject.task,
        question.query or "query",
        replace(subject.outline, slices=slices),
        positive=subject.positive if subject.task == "binary" else 1,
        guessed=subject.guessed_positive,
        inputs=subject.decoded,
        version=version,
        reading=reading,
    )
