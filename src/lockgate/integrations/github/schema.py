"""What does GitHub say of a pull request? The few fields that are read, strictly; what is not read is let pass."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from lockgate.errors import LockgateError
from lockgate.signoff.identity import Identity

T = TypeVar("T")


class GitHubError(LockgateError):
    """GitHub refused, broke, could not be reached, or said something that cannot be read. Nothing follows from it.

    status: of its answer where it refused.
    """

    status: int | None = None


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Account(_Said):
    """Who. `id` counts; the login can change hands and is for reading only."""

    id: int = Field(gt=0)
    login: str
    type: str

    @property
    def identity(self) -> Identity:
        return Identity("github", str(self.id), self.login)

    @property
    def is_person(self) -> bool:
        return self.type == "User"

    @property
    def noreply(self) -> str:
        """The address under which GitHub lets it commit."""
        return f"{self.id}+{self.login}@users.noreply.github.com"


def _nobody(value: Any) -> Any:
    """GitHub writes {} for a commit whose email belongs to no account."""
    return value or None


Somebody = Annotated[Account | None, BeforeValidator(_nobody)]


class Comment(_Said):
    """A comment below a pull request. `author_association` is not read: it is no permission."""

    id: int
    node_id: str
    user: Account | None
    body: str
    created_at: datetime
    updated_at: datetime
    issue_url: str
    html_url: str
    performed_via_github_app: dict[str, Any] | None = None

    @property
    def edited(self) -> bool:
        return self.created_at != self.updated_at

    @property
    def pull_number(self) -> str:
        return self.issue_url.rpartition("/")[2]


class Editor(_Said):
    """Who edited a comment last."""

    login: str


class Edits(_Said):
    """Whether a comment was ever edited, also within the second in which it was written."""

    last_edited_at: datetime | None = Field(alias="lastEditedAt")
    editor: Editor | None

    @property
    def edited(self) -> bool:
        return self.last_edited_at is not None or self.editor is not None


class _File(_Said):
    path: str
    change: str = Field(alias="changeType")


class _Files(_Said):
    total: int = Field(alias="totalCount")
    nodes: tuple[_File, ...]


class _PullFiles(_Said):
    files: _Files | None


class _InRepository(_Said):
    pull: _PullFiles | None = Field(alias="pullRequest")


class Closer(_Said):
    """What GraphQL tells at one look: of each comment that was asked for its edits, and the files of the pull request."""

    nodes: tuple[Edits | None, ...]
    repository: _InRepository | None

    @property
    def files(self) -> tuple[ChangedFile, ...] | None:
        """The files; None where they are not all there, or one was moved: from where is not said here."""
        pull = None if self.repository is None else self.repository.pull
        listed = None if pull is None else pull.files
        if listed is None or listed.total != len(listed.nodes):
            return None
        if not all(one.change in ("ADDED", "CHANGED", "DELETED", "MODIFIED") for one in listed.nodes):
            return None
        return tuple(ChangedFile(filename=one.path) for one in listed.nodes)


class CloserAnswer(_Said):
    """An answer over GraphQL. errors: it is not whole then, whatever else it says."""

    data: Closer | None = None
    errors: tuple[dict[str, Any], ...] = ()


class Repository(_Said):
    """A repository, by its number."""

    id: int


class BaseRepository(Repository):
    """The repository that a pull request asks to be taken into."""

    default_branch: str


class Head(_Said):
    """What a pull request offers. repo: None once the repository is gone."""

    sha: str = Field(pattern=r"^[0-9a-f]{40,64}$")
    ref: str
    repo: Repository | None


class Base(_Said):
    """Where a pull request wants to go."""

    ref: str
    repo: BaseRepository


class PullRequest(_Said):
    """A pull request. `merge_commit_sha` is not read: GitHub is about to drop it, and nobody evaluated it."""

    number: int
    state: str
    draft: bool = False
    merged: bool
    user: Account | None
    head: Head
    base: Base
    commits: int
    changed_files: int
    html_url: str

    @property
    def is_fork(self) -> bool:
        return self.head.repo is None or self.head.repo.id != self.base.repo.id


class Signature(_Said):
    """Who git says wrote something: a claim."""

    email: str = ""


class GitCommit(_Said):
    """A commit as git has it. Its dates are not read: whoever makes a commit chooses them."""

    author: Signature | None
    committer: Signature | None
    message: str


class Commit(_Said):
    """A commit, and the accounts that GitHub knows its emails to be of."""

    sha: str
    author: Somebody
    committer: Somebody
    commit: GitCommit


class ChangedFile(_Said):
    """A file that a pull request touches."""

    filename: str
    previous_filename: str | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for path in (self.filename, self.previous_filename) if path)


class WorkflowRun(_Said):
    """A run of a workflow. `path` may end in `@` and the ref it was read at."""

    id: int
    path: str
    event: str
    head_sha: str
    status: str | None
    run_attempt: int
    repository: Repository
    head_repository: Repository
    actor: Account
    triggering_actor: Account
    html_url: str

    @property
    def workflow(self) -> str:
        return self.path.partition("@")[0]


class ArtifactRun(_Said):
    """Where an artifact was made."""

    id: int
    repository_id: int
    head_repository_id: int
    head_branch: str | None
    head_sha: str


class Artifact(_Said):
    """What a run left behind, as a zip. `digest` is of the zip's bytes."""

    id: int
    name: str
    size_in_bytes: int
    expired: bool
    digest: str | None = None
    workflow_run: ArtifactRun | None


class WorkflowRuns(_Said):
    """Newest first."""

    total_count: int
    workflow_runs: tuple[WorkflowRun, ...]


class Artifacts(_Said):
    """A page of them."""

    total_count: int
    artifacts: tuple[Artifact, ...]


class _Changed(_Said):
    was: str = Field(alias="from")


class _Changes(_Said):
    body: _Changed | None = None


class _Issue(_Said):
    number: int
    pull_request: dict[str, Any] | None = None


class CommentEvent(_Said):
    """That a comment was created, edited or deleted. It is a reason to look again, and never a vote by itself."""

    action: str
    comment: Comment
    issue: _Issue
    sender: Account
    repository: BaseRepository
    changes: _Changes | None = None

    @property
    def before(self) -> str | None:
        """What the comment said until now, where it says so no longer."""
        if self.action == "deleted":
            return self.comment.body
        return self.changes.body.was if self.changes is not None and self.changes.body is not None else None


class _Opened(_Said):
    user: Account | None


class PullEvent(_Said):
    """That something happened to a pull request."""

    pull_request: _Opened
    sender: Account

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Who opened it, and who set off what runs now."""
        return tuple(one for one in (self.pull_request.user, self.sender) if one is not None)


def read(kind: type[T], data: bytes, *, what: str) -> T:
    """A value from JSON. what: where the bytes came from. Raises GitHubError, which names the field."""
    try:
        return TypeAdapter(kind).validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = "is missing" if first["type"] == "missing" else first["msg"]
        raise GitHubError(
            f"{what} is not what GitHub promises: {place or 'the whole'}: {said}",
            remedy="try again; if it stays, the GitHub server is of a version that lockgate does not know",
        ) from None
