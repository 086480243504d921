"""The code and the run that made a version, and the environment that it ran in."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from lockgate.errors import DataError
from lockgate.evaluation.provenance.fact import Fact, not_pinned
from lockgate.evaluation.provenance.sources import Records
from lockgate.foreign.files import read_regular
from lockgate.references.address import without_secrets
from lockgate.text import cut

_HASH, _ABBREVIATED = (
    re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{40})(?![0-9a-f])"),
    re.compile(r"[0-9a-fA-F]{7,63}"),
)
# Names that mean the commit of the training's code and nothing else; `code_version` may be a release.
_COMMIT_NAMES = frozenset(
    {
        "mlflow.source.git.commit",
        "mlflow.gitcommit",
        "mlflow.databricks.gitrepocommit",
        "git_commit",
        "git_sha",
        "git_hash",
        "commit",
        "commit_sha",
        "commit_hash",
        "code_commit",
        "vcs_ref",
        "github_sha",
        "ci_commit_sha",
    }
)
_ONE_COMMIT = (
    "correct the one that is wrong, or say which one counts: sources: {code_commit: [tag:mlflow.source.git.commit]}"
)
_LOCKS = ("uv.lock", "pylock.toml", "poetry.lock", "pdm.lock", "conda-lock.yml", "requirements.lock")


def code_commit(records: Records) -> Fact:
    """A commit by its whole hash, of a tree in which nothing was changed."""
    subject = "code_commit"
    kept = records.first(subject)
    text = records.facts.commit
    if kept is not None and (records.names.get(subject) or not text):
        text = kept.text.strip()
    if not text:
        return Fact(subject)
    reference, text = records.reference(text, kind="code"), without_secrets(text)
    if not reference.holds:
        return Fact(subject, (text,), (not_pinned(reference.text, reference),), reference.remedy, lack="not_pinned")
    dirty = next(
        (entry for entry in records.under("code_dirty") if entry.text.strip().lower() in ("true", "1", "yes")), None
    )
    if dirty is not None:
        fault = f"{text}: files differed from it when it was trained ({dirty})"
        return Fact(subject, (text,), (fault,), "git commit, and train again from that commit", lack="not_pinned")
    faults = tuple(_other_commits(records, text))
    return Fact(subject, (text,), faults, _ONE_COMMIT if faults else "", lack="not_pinned")


def _other_commits(records: Records, commit: str) -> Iterator[str]:
    """What says another commit than this one, or none, under a name that can mean nothing else; nothing where a pipeline says which counts.

    The first signs of a commit stand for it.
    """
    match = None if records.names.get("code_commit") else _HASH.search(commit)
    if match is None:
        return
    own = match[0]
    for kept in records.under("code_commit"):
        if kept.name.lower() not in _COMMIT_NAMES or not isinstance(kept.value, str):
            continue
        text = kept.public
        match = _HASH.search(text.lower())
        if (match[0] if match else text.lower()) == own or (
            _ABBREVIATED.fullmatch(text) and own.startswith(text.lower())
        ):
            continue
        yield f"{kept} is {cut(text, 80)}, {'which is no commit' if match is None else 'another commit'}"


def source_run(records: Records) -> Fact:
    """The run by its id, which must still be there."""
    run = records.facts.run
    if not run or not run.get("id"):
        return Fact("source_run")
    name = str(run["id"])
    if run.get("deleted"):
        return Fact("source_run", (name,), (f"{name} was deleted",), f"mlflow runs restore --run-id {name}")
    return Fact("source_run", (name,))


def requirements(records: Records) -> Fact:
    """Every requirement pinned to one version, by itself or by a lock file that names it, or the image by its digest."""
    subject, facts = "requirements", records.facts
    lines = tuple(without_secrets(line) for line in facts.requirements)
    images = [
        records.reference(kept.text, kind="image") for kept in records.under("image") if isinstance(kept.value, str)
    ]
    image = next((image for image in images if image.holds), None)
    if image is not None:
        return Fact(subject, (*lines, image.text))
    locks, locked = _locked(Path(facts.files))
    loose = [(without_secrets(line), lack) for line in facts.requirements if (lack := _loose(line, locked)) is not None]
    if loose:
        faults = tuple(f"{line}: {lack}" for line, lack in loose)
        return Fact(subject, lines, faults, _pinned_requirements(loose), lack="not_pinned")
    if not lines and not locks:
        faults = tuple(not_pinned(f"the image {image.text}", image) for image in images[:1])
        return Fact(subject, (), faults, images[0].remedy if images else "", lack="not_pinned")
    return Fact(subject, (*lines, *locks))


def _pinned_requirements(loose: list[tuple[str, str]]) -> str:
    names = ", ".join(dict.fromkeys(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line, _ in loose))
    return f"pin what `pip freeze` says of {names}"


def _locked(folder: Path) -> tuple[list[str], set[str]]:
    """(lock files beside the model that name packages, the normalised names of those packages)."""
    from lockgate.models.packages.package_list import read_package_list

    locks, names = list[str](), set[str]()
    for name in _LOCKS:
        try:
            text = read_regular(folder / name).decode(errors="replace")
            packages = read_package_list(text, source=name).versions
        except (OSError, DataError):  # none, or one that locks nothing
            continue
        locks += [name] if packages else []
        names |= set(packages)
    return locks, names


def _loose(line: str, locked: Collection[str]) -> str | None:
    """Why a line of requirements.txt may be another package tomorrow; None where it cannot, or is an option of pip.

    locked: names of packages that a lock file pins.
    """
    from lockgate.models.packages.requirement_lines import read_requirements

    for package in read_requirements(line, file="requirements.txt"):
        if package.name in locked:
            return None
        if package.direct or not package.name:
            return None if _by_hash(line) else "what lies there may change" if package.name else "it names no version"
        return None if package.exact is not None else "it allows several versions"
    return None


def _by_hash(address: str) -> bool:
    return re.search(r"#sha256=|@sha256:|@[0-9a-f]{40}(?![0-9a-f])", address) is not None
