"""The lines of a latency gate that a version's own declaration decides: `p99_ms <= declared`, and those of a bare gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lockgate.errors import VersionFault
from lockgate.evaluation.estimation.estimate import Estimate, counted
from lockgate.evaluation.provenance.serving import BATCH, DESCRIBED, REMEDY, DeclaredServing, declared_batch
from lockgate.evaluation.requirements.grammar import parse
from lockgate.evaluation.requirements.requirement import Requirement, RequirementLimit
from lockgate.evaluation.requirements.subject import Subject
from lockgate.models.load_spec import Load

Declared = Mapping[str, DeclaredServing]
GPUS = "gpus"
NOT_DECLARED, NO_GPU = "not_declared", "no_gpu"


def declared_lines(declared: Declared, subjects: Mapping[str, Subject]) -> tuple[Requirement, ...]:
    """A line for each number that is declared, at the declared batch, and that every request is answered; none without any.

    Raises VersionFault for metadata that name what nothing measures.
    """
    unknown = sorted(
        entry.name
        for entry in declared.values()
        if entry.name not in (BATCH, *DESCRIBED, *subjects) and entry.where.startswith("metadata")
    )
    if unknown:
        message = f"the model's metadata asks for serving: {', '.join(unknown)}, which nothing measures; "
        raise VersionFault(f"{message}known: {', '.join([BATCH, *subjects, *DESCRIBED])}", remedy=REMEDY)
    batch = declared_batch(declared)
    limits = {name: entry.number for name, entry in declared.items() if name in subjects}
    if limits:  # whatever a model allows itself, its answers are answers, as a bare gate requires
        limits = {**limits, "errors": 0}
    return tuple(_line(subjects[name], value, batch) for name, value in limits.items())


def _line(subject: Subject, value: float, batch: int | None) -> Requirement:
    sized = f"(batch={batch})" if batch is not None and "batch" in subject.args else ""
    return parse(f"{subject.name}{sized} {'>=' if subject.better == 'higher' else '<='} {value!r}")


def with_declared_limits(
    lines: Sequence[Requirement], declared: Declared, subjects: Mapping[str, Subject]
) -> tuple[Requirement, ...]:
    """The lines with the declared numbers for the word `declared`, at the declared batch.

    A line stays as it is where its number is not declared, or is for another batch than the line's own.
    """
    batch = declared_batch(declared)
    return tuple(_with_number(line, declared, subjects[line.subject], batch) for line in lines)


def _with_number(line: Requirement, declared: Declared, subject: Subject, batch: int | None) -> Requirement:
    if not line.limit.declared or line.subject not in declared or _of_another_batch(line, subject, batch):
        return line
    number = float(declared[line.subject].number)
    args = (("batch", batch),) if batch is not None and "batch" in subject.args else line.args
    return replace(line, limit=RequirementLimit(relative=False, number=number), args=args)


def _of_another_batch(line: Requirement, subject: Subject, batch: int | None) -> bool:
    own = line.argument("batch")
    return "batch" in subject.args and None not in (own, batch) and own != batch


def with_declared_batch(load: Load, lines: Sequence[Requirement], subjects: Mapping[str, Subject]) -> Load:
    """The load with the batch sizes that the lines name besides its own; without its own where no line is on them."""
    sized = [line.argument("batch") for line in lines if "batch" in subjects[line.subject].args]
    own = [size for size in load.sizes if None in sized or size in sized or not sized]
    further = [size for size in dict.fromkeys(sized) if isinstance(size, int) and size not in own]
    sizes = (*own, *further)
    return (
        load if sizes == load.sizes else load.model_copy(update={"batch_size": sizes if len(sizes) > 1 else sizes[0]})
    )


def undeclared(name: str, line: Requirement, declared: Declared, subject: Subject, *, version: str) -> Estimate:
    """The estimate of a line whose number nobody declared."""
    reason = f"{version} does not declare its {line.subject}"
    if line.subject in declared:
        reason = f"{version} declares its {line.subject} for batches of {declared_batch(declared)}"
    return without_measurement(name, line, subject, (NOT_DECLARED, reason))


def without_measurement(name: str, line: Requirement, subject: Subject, problem: tuple[str, str]) -> Estimate:
    """The estimate of a line for which no request was sent. problem: (code, reason)."""
    blank = counted(name, line, value=0, units=0)
    return replace(blank, candidate=None, counted=subject.counted, problem=problem, counted_in="requests")


def lacking_gpus(required: float, available: int) -> str | None:
    """Why a machine shows nothing of a model that is to have so many graphics processors; None where it has them."""
    if available >= required:
        return None
    there = (
        "no graphics processor" if not available else f"{available} graphics processor{'s' if available > 1 else ''}"
    )
    return f"this machine has {there}, and {required:g} {'is' if required == 1 else 'are'} asked for"
