"""GitHub's answers and events as typed values: the fields that are used, strictly; all others are ignored."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from lockgate.errors import LockgateError
from lockgate.signoff.identity import Identity

T = TypeVar("T")
WEB_FLOW = "noreply@github.com"  # in whose name GitHub commits what is done on its pages


class GitHubError(LockgateError):
    """GitHub refused, failed, could not be reached, or answered something unreadable. Nothing is decided on that.

    status: HTTP status of its answer where it refused.
    """

    status: int | None = None


class _Payload(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Account(_Payload):
    """A GitHub account. `id` identifies it; the login can change hands and is for display only."""

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
        """The address that GitHub gives the account for its commits."""
        return f"{self.id}+{self.login}@users.noreply.github.com"


# GitHub writes {} where the email of a commit belongs to no account.
OptionalAccount = Annotated[Account | None, BeforeValidator(lambda value: value or None)]


class Statement(_Payload):
    """What somebody wrote below a pull request, in a review of it, or beside a line of a file."""

    id: int
    node_id: str
    user: Account | None
    body: Annotated[str, BeforeValidator(lambda value: value or "")]
    html_url: str

    @property
    def changed_at(self) -> datetime:
        """When it became what it is, as far as GitHub says."""
        raise NotImplementedError


class ReviewComment(Statement):
    """A comment beside a line or a file of a pull request."""

    updated_at: datetime

    @property
    def changed_at(self) -> datetime:
        return self.updated_at


class Comment(ReviewComment):
    """A comment on a pull request. `author_association` is not read: it is no permission."""

    created_at: datetime
    issue_url: str
    performed_via_github_app: dict[str, Any] | None = None

    @property
    def edited(self) -> bool:
        return self.created_at != self.updated_at

    @property
    def pull_number(self) -> str:
        return self.issue_url.rpartition("/")[2]


class Review(Statement):
    """A review with its state, like CHANGES_REQUESTED. submitted_at: None while it is a draft."""

    state: str
    submitted_at: datetime | None = None

    @property
    def changed_at(self) -> datetime:
        if self.submitted_at is None:
            raise ValueError("a draft says nothing yet")
        return self.submitted_at


class IssueEvent(_Payload):
    """What happened to a pull request. review, dismissed_state: of a review that was dismissed, None for anything else."""

    actor: OptionalAccount = None
    review: int | None = Field(None, validation_alias=AliasPath("dismissed_review", "review_id"))
    dismissed_state: str | None = Field(None, validation_alias=AliasPath("dismissed_review", "state"))


class CommentEdits(_Payload):
    """Whether a comment was ever edited, also within the second in which it was written."""

    last_edited_at: datetime | None = Field(alias="lastEditedAt")
    editor: dict[str, Any] | None

    @property
    def edited(self) -> bool:
        return self.last_edited_at is not None or self.editor is not None

    def by_another(self, user: Account | None) -> bool:
        """Whether somebody else than that user edited it last."""
        return self.edited and (self.editor is None or user is None or self.editor.get("login") != user.login)


_IN_PLACE = {"ADDED", "CHANGED", "DELETED", "MODIFIED"}


class _FileNode(_Payload):
    path: str
    change: str = Field(alias="changeType")


class _FileConnection(_Payload):
    total: int = Field(alias="totalCount")
    nodes: tuple[_FileNode, ...]


class _RepositoryNode(_Payload):
    files: _FileConnection | None = Field(None, validation_alias=AliasPath("pullRequest", "files"))
    reviews: int | None = Field(None, validation_alias=AliasPath("pullRequest", "reviews", "totalCount"))


class EditsAndFiles(_Payload):
    """Answer to one GraphQL query: the edits of each comment in the query, and the files of the pull request."""

    nodes: tuple[CommentEdits | None, ...]
    repository: _RepositoryNode | None

    @property
    def files(self) -> tuple[ChangedFile, ...] | None:
        """The files; None where the list is incomplete, or has a renamed file, whose old path GraphQL does not give."""
        listed = None if self.repository is None else self.repository.files
        if listed is None or listed.total != len(listed.nodes) or {file.change for file in listed.nodes} - _IN_PLACE:
            return None
        return tuple(ChangedFile(filename=file.path) for file in listed.nodes)

    @property
    def unreviewed(self) -> bool:
        """Whether GitHub says that nobody has reviewed the pull request yet."""
        return self.repository is not None and self.repository.reviews == 0


class GraphQLAnswer(_Payload):
    """A GraphQL answer. With `errors` its data are incomplete."""

    data: EditsAndFiles | None = None
    errors: tuple[dict[str, Any], ...] = ()


class Repository(_Payload):
    """A repository, identified by its number."""

    id: int


class BaseRepository(Repository):
    """The repository that a pull request targets."""

    default_branch: str


class Head(_Payload):
    """The head of a pull request. repo: None once the repository is gone."""

    sha: str = Field(pattern=r"^[0-9a-f]{40,64}$")
    ref: str
    repo: Repository | None


class Base(_Payload):
    """The base of a pull request."""

    ref: str
    repo: BaseRepository


class PullRequest(_Payload):
    """A pull request. `merge_commit_sha` is not read: nobody evaluated that commit, and GitHub is about to drop the field."""

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


class GitPerson(_Payload):
    """Author or committer as git has it: a claim, never proof."""

    email: str = ""


class GitCommit(_Payload):
    """A commit as git has it. Its dates are not read: whoever makes a commit chooses them."""

    author: GitPerson | None
    committer: GitPerson | None
    message: str
    verified: bool = Field(default=False, validation_alias=AliasPath("verification", "verified"))


class _Parent(_Payload):
    sha: str


class Commit(_Payload):
    """A commit, and the accounts to which GitHub matches its emails."""

    sha: str
    author: OptionalAccount
    committer: OptionalAccount
    commit: GitCommit
    parents: tuple[_Parent, ...] = ()

    @property
    def merged(self) -> tuple[str, str] | None:
        """The parents of a merge that GitHub itself made and signed: where it was made, what was merged; None for another.

        Nobody else can sign for GitHub's address. Which of those are updates from the base is for the caller to tell.
        """
        signer, account = self.commit.committer, self.committer
        by_github = (signer is not None and signer.email.lower() == WEB_FLOW) or (
            account is not None and account.login == "web-flow"  # by another address, on a GitHub Enterprise Server
        )
        known = by_github and self.commit.verified and len(self.parents) == 2
        return (self.parents[0].sha, self.parents[1].sha) if known else None


class ChangedFile(_Payload):
    """A file that a pull request changes. sha: of what it holds now."""

    filename: str
    previous_filename: str | None = None
    sha: str | None = None
    status: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for path in (self.filename, self.previous_filename) if path)


class Comparison(_Payload):
    """What differs between two commits."""

    files: tuple[ChangedFile, ...]


class WorkflowRun(_Payload):
    """A run of a workflow. `path` may end in `@` and the ref it was read at."""

    id: int
    path: str
    event: str
    head_sha: str
    run_attempt: int
    repository: Repository
    head_repository: Repository
    actor: Account
    triggering_actor: Account
    html_url: str

    @property
    def workflow(self) -> str:
        return self.path.partition("@")[0]


class ArtifactRun(_Payload):
    """The run that made an artifact."""

    id: int
    repository_id: int
    head_repository_id: int
    head_branch: str | None
    head_sha: str


class Artifact(_Payload):
    """An artifact of a run, a zip. `digest` is of the zip's bytes."""

    id: int
    name: str
    size_in_bytes: int
    expired: bool
    digest: str | None = None
    workflow_run: ArtifactRun | None


class WorkflowRuns(_Payload):
    """A page of runs of a workflow, newest first."""

    total_count: int
    workflow_runs: tuple[WorkflowRun, ...]


class Artifacts(_Payload):
    """A page of artifacts."""

    total_count: int
    artifacts: tuple[Artifact, ...]


class _FormerBody(_Payload):
    text: str = Field(alias="from")


class CommentEvent(_Payload):
    """A comment was created, edited or deleted. That is a reason to decide anew, and never a vote by itself.

    number: of the issue or pull request; pull: None where it is an issue. former_body: the one before an edit.
    """

    action: str
    comment: Comment
    number: int = Field(validation_alias=AliasPath("issue", "number"))
    pull: dict[str, Any] | None = Field(None, validation_alias=AliasPath("issue", "pull_request"))
    sender: Account
    former_body: _FormerBody | None = Field(None, validation_alias=AliasPath("changes", "body"))

    @property
    def previous_body(self) -> str | None:
        """The body that an edit or a deletion replaced; None where there was none."""
        if self.action == "deleted":
            return self.comment.body
        return None if self.former_body is None else self.former_body.text


class PullEvent(_Payload):
    """An event of a pull request: who opened it, and who triggered the current run."""

    action: str = ""
    author: Account | None = Field(validation_alias=AliasPath("pull_request", "user"))
    sender: Account


class MergeGroupEvent(_Payload):
    """A merge queue made a commit to be tested. base: the commit that it stands on."""

    head: str = Field(validation_alias=AliasPath("merge_group", "head_sha"))
    base: str = Field(validation_alias=AliasPath("merge_group", "base_sha"))


def parse(kind: type[T], content: bytes, *, source: str) -> T:
    """A value from JSON. source: where the bytes came from. Raises GitHubError, which names the field."""
    try:
        return TypeAdapter(kind).validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        message = "is missing" if first["type"] == "missing" else first["msg"]
        raise GitHubError(
            f"{source} has another shape than GitHub documents: {field}: {message}",
            remedy="try again; if it stays, the GitHub server is of a version that lockgate does not know",
        ) from None
