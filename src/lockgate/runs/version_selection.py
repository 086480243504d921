"""Select the candidate and the champion among the versions of a model."""

from __future__ import annotations

from lockgate import git
from lockgate.errors import NotFound, Refused, RegistryError, UsageError
from lockgate.foreign.files import read_regular
from lockgate.pipeline.pipeline import Pipeline
from lockgate.plugins import is_inside
from lockgate.promotion.operator import stored_chain
from lockgate.registries.ports import ModelSource, ModelVersion
from lockgate.registries.selectors import CandidateSelector, ChampionSelector

_MOST_BYTES = 1000  # of a file that names a version


def require_candidate(selector: CandidateSelector, pipeline: Pipeline, registry: ModelSource) -> None:
    """Raise NotFound or UsageError where there is no such candidate; a version that is named and not there is wrong usage."""
    try:
        select_candidate(pipeline, registry, selector)
    except NotFound as error:
        if selector.version is None:
            raise
        raise UsageError(error.message, remedy=error.remedy) from error


def select_candidate(pipeline: Pipeline, registry: ModelSource, selector: CandidateSelector | None) -> ModelVersion:
    """The candidate: by `selector`, else as the pipeline says. Raises NotFound or UsageError with what is there instead."""
    selector = selector or pipeline.candidate
    if selector is None:
        raise UsageError(
            "the pipeline does not say which version is the candidate",
            remedy="add candidate: or call with --candidate version=8",
        )
    name = pipeline.model
    if selector.version is not None:
        return registry.version(name, _checked(selector.version, pipeline))
    if selector.file is not None:
        return registry.version(name, _version_in(selector.file, pipeline))
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
            lacks = "a commit, and there is none yet" if git.is_repository(pipeline.root) else "a git checkout"
            raise UsageError(f"git_commit: head needs {lacks}", remedy="call from a checkout, or name a version")
    for version in versions:
        source = registry.commit_of(version)
        if source and (source == commit or (len(commit) >= 7 and source.startswith(commit))):
            return version
    raise NotFound(
        f"no version of {name} was made at commit {commit[:12]}",
        remedy="log the model from that commit, or choose the candidate by file or tag",
    )


def _version_in(file: str, pipeline: Pipeline) -> str:
    remedy = f"write {pipeline.registry.version_form} into it, the version"
    try:
        text = read_regular(pipeline.resolve(file), most=_MOST_BYTES).decode().strip()
    except UnicodeDecodeError as error:
        raise UsageError(f"candidate file {file} cannot be read: it is no UTF-8 text", remedy=remedy) from error
    except OSError as error:
        raise UsageError(f"candidate file {file} cannot be read: {error.strerror}", remedy=remedy) from error
    if not pipeline.registry.accepts(text):
        holds = repr(text[:40]) if is_inside(pipeline.resolve(file), pipeline.root) else "something else"
        raise UsageError(f"candidate file {file} holds {holds}", remedy=remedy)
    return text


def _checked(version: int | str, pipeline: Pipeline) -> str:
    """A version as text. Raises UsageError for words that cannot name one; of numbers the registry says that they do not."""
    if isinstance(version, str) and not pipeline.registry.accepts(version):
        message = f"{version!r} cannot be a version of {pipeline.model}"
        raise UsageError(message, remedy=f"write {pipeline.registry.version_form}")
    return str(version)


def select_champion(pipeline: Pipeline, registry: ModelSource) -> ModelVersion | None:
    """The version to compare with; None where there is none yet and the pipeline allows that.

    Raises NotFound also where a version is Production and only its alias is missing: what it says would be compared with nobody.
    """
    selector = pipeline.champion
    if not isinstance(selector, ChampionSelector):
        return None
    if selector.version is not None:
        return registry.version(pipeline.production_model, _checked(selector.version, pipeline))
    version = registry.by_alias(pipeline.production_model, str(selector.alias))
    if version is None and selector.alias == "production":
        _require_no_production(pipeline.production_model, registry)
    if version is None and selector.otherwise != "none":
        raise NotFound(
            f"no version of {pipeline.production_model} has the alias {selector.alias!r}, so there is no champion to compare with",
            remedy="adopt the version in production with gate adopt, or write champion: {alias: …, else: none}",
        )
    return version


def _require_no_production(model: str, registry: ModelSource) -> None:
    """Raise NotFound where a version without the alias is Production, by the ledger or by the registry's own stage."""
    try:
        production = stored_chain(registry, model).whole().standing.production
    except Refused as error:
        message = f"whether a version of {model} is Production cannot be told: {error.message}"
        raise RegistryError(message, remedy=error.remedy) from error
    if production is not None:
        raise NotFound(
            f"version {production} of {model} is Production by the ledger, and no version has the alias 'production'",
            remedy=f"gate verify {model} --repair sets it again",
        )
    staged = next((version for version in registry.versions(model) if version.in_production), None)
    if staged is not None:
        raise NotFound(
            f"{staged} stands in the stage Production, and no version has the alias 'production'",
            remedy=f'gate adopt {model} --version {staged.version} --reason "…" sets it, and begins the ledger with that version',
        )
