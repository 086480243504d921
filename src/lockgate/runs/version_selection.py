"""Select the candidate and the champion among the versions of a model."""

from __future__ import annotations

import re
from pathlib import Path

from lockgate.errors import NotFound, UsageError
from lockgate.integrations import git
from lockgate.pipeline.model import Pipeline
from lockgate.registries.ports import CandidateSelector, ChampionSelector, ModelVersion, Registry


def select_candidate(pipeline: Pipeline, registry: Registry, selector: CandidateSelector | None) -> ModelVersion:
    """The candidate: by `selector`, else as the pipeline says. Raises NotFound or UsageError with what is there instead."""
    selector = selector or pipeline.candidate
    if selector is None:
        raise UsageError(
            "the pipeline does not say which version is the candidate",
            remedy="add candidate: or call with --candidate version=8",
        )
    name = pipeline.model
    if selector.version is not None:
        return registry.version(name, str(selector.version))
    if selector.file is not None:
        return registry.version(name, _version_in(pipeline.resolve(selector.file), selector.file))
    if selector.alias is not None:
        version = registry.by_alias(name, selector.alias)
        if version is None:
            raise NotFound(f"no version of {name} has the alias {selector.alias!r}", remedy="set it, or name a version")
        return version
    versions = registry.versions(name)
    if not versions:
        raise NotFound(f"{name} has no versions yet", remedy="register one first")
    if selector.newest:
        return versions[0]
    if selector.tag is not None:
        tags = dict(selector.tag)
        for version in versions:
            if all(version.tags.get(key) == value for key, value in tags.items()):
                return version
        listed = ", ".join(f"{key}={value}" for key, value in tags.items())
        raise NotFound(f"no version of {name} has the tag {listed}", remedy="tag the version that is meant")
    commit = str(selector.git_commit)
    if commit == "head":
        commit = git.head_commit(pipeline.root) or ""
        if not commit:
            raise UsageError("git_commit: head needs a git checkout", remedy="call from one, or name a version")
    for version in versions:
        source = registry.commit_of(version)
        if source and (source == commit or (len(commit) >= 7 and source.startswith(commit))):
            return version
    raise NotFound(
        f"no version of {name} was made at commit {commit[:12]}",
        remedy="log the model from that commit, or choose the candidate by file or tag",
    )


def _version_in(path: Path, file: str) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"candidate file {file} cannot be read: {error}", remedy="it holds one integer") from error
    if not re.fullmatch(r"[1-9][0-9]{0,17}", text):
        raise UsageError(f"candidate file {file} holds {text[:40]!r}", remedy="it holds one integer, the version")
    return text


def select_champion(pipeline: Pipeline, registry: Registry) -> ModelVersion | None:
    """The version to compare with; None where there is none yet and the pipeline allows that."""
    selector = pipeline.champion
    if not isinstance(selector, ChampionSelector):
        return None
    if selector.version is not None:
        return registry.version(pipeline.model, str(selector.version))
    version = registry.by_alias(pipeline.model, str(selector.alias))
    if version is None and selector.otherwise != "none":
        raise NotFound(
            f"no version of {pipeline.model} has the alias {selector.alias!r}, so there is no champion to compare with",
            remedy="adopt the version in production with gate adopt, or write champion: {alias: …, else: none}",
        )
    return version
