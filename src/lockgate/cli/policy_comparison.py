"""What changed of pipelines since a commit, for a person to read: what got looser first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lockgate import git
from lockgate.errors import UsageError
from lockgate.integrations.policy_changes import policy_changes, removed_pipelines
from lockgate.pipeline.comparison.change import Change
from lockgate.pipeline.comparison.directions import LOOSER
from lockgate.pipeline.loader import project_root
from lockgate.pipeline.pipeline import Pipeline


@dataclass(frozen=True)
class Earlier:
    """The state that pipelines are compared with, each in the repository that it lies in. ref: as it was named."""

    ref: str
    _commits: dict[Path, str] = field(default_factory=dict, init=False)

    def commit(self, root: Path) -> str:
        """Its hash. Raises UsageError where there is no such commit here."""
        if root not in self._commits:
            commit = git.commit_of(self.ref, root)
            if commit is None:
                raise UsageError(
                    f"git has no commit {self.ref!r} here",
                    remedy=f"fetch it: git fetch origin {self.ref}; a job needs fetch-depth: 0 for that",
                )
            self._commits[root] = commit
        return self._commits[root]

    @property
    def removed(self) -> list[str]:
        """Pipelines of the project that are gone."""
        root = project_root()
        return removed_pipelines(self.commit(root), root)

    def changes(self, pipeline: Pipeline) -> list[Change] | None:
        """None where there was no such pipeline. Raises PipelineError where it was not valid, UsageError."""
        commit, today = self.commit(pipeline.root), datetime.now(UTC).date()
        return policy_changes(pipeline, commit, ref=self.ref, today=today)

    def lines(self, path: Path, changes: Sequence[Change] | None) -> Iterator[str]:
        """The changes as a terminal shows them."""
        if changes is None:
            yield f"{path}: it is new since {self.ref}, so there is nothing to compare it with"
        elif not changes:
            yield f"{path}: nothing changed since {self.ref}"
        elif not any(change.effect in LOOSER for change in changes):
            yield f"{path}: nothing got looser since {self.ref}"
        yield from map(str, changes or ())
