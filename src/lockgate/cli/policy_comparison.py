"""What changed of pipelines since a commit, for a person to read: what got looser first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lockgate.errors import UsageError
from lockgate.integrations import git
from lockgate.integrations.policy_changes import policy_changes, removed_pipelines
from lockgate.pipeline.comparison.change import Change
from lockgate.pipeline.comparison.directions import LOOSER
from lockgate.pipeline.loader import project_root
from lockgate.pipeline.pipeline import Pipeline


@dataclass(frozen=True)
class Earlier:
    """The state that pipelines are compared with. ref: as it was named; commit: its hash."""

    ref: str
    commit: str
    root: Path

    @classmethod
    def of_ref(cls, ref: str) -> Earlier:
        """Raises UsageError where there is no such commit here."""
        root = project_root()
        commit = git.commit_of(ref, root)
        if commit is None:
            raise UsageError(
                f"git has no commit {ref!r} here",
                remedy=f"fetch it: git fetch origin {ref}; a job needs fetch-depth: 0 for that",
            )
        return cls(ref, commit, root)

    @property
    def removed(self) -> list[str]:
        return removed_pipelines(self.commit, self.root)

    def changes(self, pipeline: Pipeline) -> list[Change] | None:
        """None where there was no such pipeline. Raises PipelineError where it was not valid."""
        return policy_changes(pipeline, self.commit, ref=self.ref, today=datetime.now(UTC).date())

    def lines(self, path: Path, changes: Sequence[Change] | None) -> Iterator[str]:
        """The changes as a terminal shows them."""
        if changes is None:
            yield f"{path}: it is new since {self.ref}, so there is nothing to compare it with"
        elif not changes:
            yield f"{path}: nothing changed since {self.ref}"
        elif not any(change.effect in LOOSER for change in changes):
            yield f"{path}: nothing got looser since {self.ref}"
        yield from map(str, changes or ())
