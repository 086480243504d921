"""Client of GitHub's REST API: strict parsing, capped answers, and a token that is never sent to another host."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import requests
from requests.auth import AuthBase

from lockgate.hashing import sha256
from lockgate.integrations.github.schema import (
    Account,
    Artifact,
    Artifacts,
    ChangedFile,
    Comment,
    Commit,
    Comparison,
    EditsAndFiles,
    GitHubError,
    GraphQLAnswer,
    IssueEvent,
    PullRequest,
    Review,
    ReviewComment,
    Statement,
    WorkflowRun,
    WorkflowRuns,
    parse,
)

API = "https://api.github.com"
VERSION = "2022-11-28"
BOT = "github-actions[bot]"
COMMENT_CHARACTERS = 60_000
EDITS_QUERY = """\
query($ids: [ID!]!, $owner: String!, $name: String!, $number: Int!) {
  nodes(ids: $ids) { ... on Comment { lastEditedAt editor { login } } }
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      files(first: 100) { totalCount nodes { path changeType } }
      reviews(first: 1) { totalCount }
    }
  }
}
"""

_PAGE = 100
_RUNS = 1_000  # runs that GitHub lists at most
_COMPARED = 300  # files at most in a comparison of two commits
_TRIES = 4
_LONGEST_WAIT = 60.0
_TIMEOUT = (10, 30)  # seconds to connect, and between two bytes
_ANSWER_BYTES = 32 * 2**20
_ARTIFACT_BYTES = 256 * 2**20
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

T = TypeVar("T")


class _Token(AuthBase):
    """Set the header ourselves, so that no .netrc of the machine can put another one there."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Authorization", None)
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def __repr__(self) -> str:
        return "_Token(…)"


class GitHub:
    """One repository, with the rights of one token. `request_count` counts the requests."""

    def __init__(
        self,
        repository: str,
        token: str,
        *,
        api: str = API,
        session: requests.Session | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """repository: owner/name. api: GITHUB_API_URL, also that of a GitHub Enterprise Server. Raises GitHubError."""
        if re.fullmatch(r"[A-Za-z0-9_.\-]+/[A-Za-z0-9_.\-]+", repository) is None or "/.." in repository:
            raise GitHubError(f"{repository!r} is no repository", remedy="write owner/name, as in GITHUB_REPOSITORY")
        if not token or any(sign <= " " or sign > "~" for sign in token):
            raise GitHubError("the GitHub token is empty or no token", remedy="give the job's own github.token")
        self._require_secure(api)
        self.repository, self.request_count = repository, 0
        self._api, self._token = api.rstrip("/"), token
        self._session = session or requests.Session()
        self._sleep = sleep

    @classmethod
    def of_job(cls, environ: Mapping[str, str]) -> GitHub:
        """The repository of a job, with the token that it was given. Raises GitHubError."""
        token, api = environ.get("GATE_TOKEN", ""), environ.get("GITHUB_API_URL") or API
        return cls(environ.get("GITHUB_REPOSITORY", ""), token, api=api)

    def __repr__(self) -> str:
        return f"GitHub({self.repository!r}, api={self._api!r})"

    def pull(self, number: int) -> PullRequest:
        return self._read(PullRequest, f"pulls/{number:d}")

    def comments(self, number: int) -> tuple[Comment, ...]:
        """All comments on a pull request, oldest first."""
        return tuple(self.each_comment(number))

    def each_comment(self, number: int) -> Iterator[Comment]:
        """The comments on a pull request, oldest first, a page at a time, so that any number of them can be read."""
        return self._entries(Comment, f"issues/{number:d}/comments")

    def each_review(self, number: int) -> Iterator[Review]:
        """The reviews of a pull request that were submitted, oldest first, also those that were dismissed."""
        listed = self._entries(Review, f"pulls/{number:d}/reviews")
        return (review for review in listed if review.submitted_at is not None)

    def each_review_comment(self, number: int) -> Iterator[ReviewComment]:
        """The comments beside lines and files of a pull request."""
        return self._entries(ReviewComment, f"pulls/{number:d}/comments")

    def dismissals(self, number: int) -> dict[int, IssueEvent]:
        """review → the event in which somebody dismissed it."""
        events = self._entries(IssueEvent, f"issues/{number:d}/events")
        return {event.review: event for event in events if event.review is not None}

    def edits_and_files(self, pull: PullRequest, comments: Sequence[Statement]) -> EditsAndFiles | None:
        """Whether those comments (at most 100) were ever edited, and the pull request's files; None without GraphQL.

        REST gives times to the second, so it does not show an edit within the second of the writing. It is a POST, and
        so not repeated.
        """
        owner, _, name = self.repository.partition("/")
        ids = [comment.node_id for comment in comments]
        variables = {"ids": ids, "owner": owner, "name": name, "number": pull.number}
        path = urlsplit(self._api).path.removesuffix("/v3")  # where a GitHub Enterprise Server has its REST API
        question = f"whether {len(comments)} comments were edited"
        try:
            answer, content = self._request(
                "POST", urljoin(self._api, f"{path}/graphql"), json={"query": EDITS_QUERY, "variables": variables}
            )
        except requests.RequestException as error:
            raise self._no_answer(question, type(error).__name__) from None
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise self._refused(question, answer, content)
        parsed = parse(GraphQLAnswer, content, source=f"GitHub's answer to {question}")
        if parsed.errors or parsed.data is None or len(parsed.data.nodes) != len(comments):
            problem = str(parsed.errors[0].get("message")) if parsed.errors else "its answer is incomplete"
            raise GitHubError(
                f"GitHub does not say {question}: {self._printable(problem)}", remedy="try again; nothing was decided"
            )
        return parsed.data

    def commits(self, pull: PullRequest) -> tuple[Commit, ...]:
        """All commits of a pull request. Raises GitHubError where GitHub lists fewer than there are (at most 250)."""
        commits = tuple(self._entries(Commit, f"pulls/{pull.number:d}/commits"))
        if len(commits) < pull.commits:
            raise GitHubError(
                f"pull request {pull.number} has {pull.commits} commits, of which GitHub lists {len(commits)}",
                remedy="squash them, so that every contributor is listed",
            )
        return commits

    def files(self, pull: PullRequest) -> tuple[ChangedFile, ...]:
        """The files that a pull request changes; GitHub lists at most 3,000."""
        return tuple(self._entries(ChangedFile, f"pulls/{pull.number:d}/files"))

    def files_between(self, base: str, head: str) -> tuple[ChangedFile, ...] | None:
        """The files that differ between a commit and one that stands on it; None where GitHub does not list them all."""
        files = self._read(Comparison, f"compare/{quote(base, safe='')}...{quote(head, safe='')}").files
        return files if len(files) < _COMPARED else None

    def newest_run(self, workflow: str, head_sha: str) -> WorkflowRun | None:
        """The newest run of a workflow (its file name) that a pull request started on that commit."""
        query = {"head_sha": head_sha, "event": "pull_request", "per_page": _PAGE}
        runs = self._read(WorkflowRuns, f"actions/workflows/{quote(workflow, safe='')}/runs", query)
        if runs.total_count > len(runs.workflow_runs):
            raise GitHubError(f"commit {head_sha[:12]} has {runs.total_count} runs, too many to tell the newest")
        return max(runs.workflow_runs, key=lambda run: run.id, default=None)

    def pushers(self, workflow: str, branch: str) -> dict[str, Account]:
        """commit → who started the first run of a workflow (its file name) on it, for the pull requests of a branch.

        That is who pushed it; later runs on it are of whoever opened the pull request again. GitHub lists the newest 1,000.
        """
        query = {"branch": branch, "event": "pull_request", "per_page": _PAGE}
        first: dict[str, WorkflowRun] = {}
        for page in range(1, _RUNS // _PAGE + 1):
            path = f"actions/workflows/{quote(workflow, safe='')}/runs"
            runs = self._read(WorkflowRuns, path, query | {"page": page})
            for run in runs.workflow_runs:
                first[run.head_sha] = min(run, first.get(run.head_sha, run), key=lambda run: run.id)
            if page * _PAGE >= runs.total_count:
                break
        return {commit: run.actor for commit, run in first.items()}

    def artifacts(self, name: str) -> tuple[Artifact, ...]:
        """All artifacts of that name in the repository, newest first."""
        artifacts: dict[int, Artifact] = {}
        for page in itertools.count(1):
            listed = self._read(Artifacts, "actions/artifacts", {"name": name, "per_page": _PAGE, "page": page})
            artifacts |= {artifact.id: artifact for artifact in listed.artifacts if artifact.name == name}
            if page * _PAGE >= listed.total_count:
                break
            if not listed.artifacts:
                raise GitHubError(f"GitHub lists {len(artifacts)} of {listed.total_count} artifacts called {name}")
        return tuple(artifacts[number] for number in sorted(artifacts, reverse=True))

    def download(self, artifact: Artifact) -> bytes:
        """The bytes of an artifact's zip, checked against its digest. Raises GitHubError, also where it is gone."""
        if artifact.expired:
            raise GitHubError(f"the artifact {artifact.name} has expired", remedy="run the gate workflow again")
        if artifact.size_in_bytes > _ARTIFACT_BYTES:
            raise GitHubError(f"the artifact {artifact.name} has {artifact.size_in_bytes} bytes; that is too many")
        path = f"actions/artifacts/{artifact.id:d}/zip"
        answer, _ = self._get(self._url(path), label=f"GET {path}", status=302)
        location = answer.headers.get("Location", "")
        self._require_secure(location)
        # another host, which must not see the token
        _, content = self._get(location, label=f"the download of {artifact.name}", bare=True)
        if artifact.digest is not None and sha256(content) != artifact.digest:
            raise GitHubError(f"the bytes of the artifact {artifact.name} do not have the digest that GitHub gives")
        return content

    def add_comment(self, number: int, body: str) -> Comment:
        """Write a comment. Not repeated when the answer is lost: the comment may exist."""
        return self._write("POST", f"issues/{number:d}/comments", body)

    def keep_comment(
        self, number: int, body: str, *, marker: str, comments: tuple[Comment, ...] | None = None
    ) -> Comment:
        """Create the one comment that begins with the marker, or replace the oldest of ours.

        Ours are those of the Actions bot; the same marker in anybody else's comment means nothing.
        """
        if not body.startswith(marker):
            raise ValueError("the body must begin with the marker, by which it is found again")
        listed = self.comments(number) if comments is None else comments
        oldest = next(iter(own_comments(listed, marker)), None)
        if oldest is None:
            return self.add_comment(number, body)
        if oldest.body == body:
            return oldest
        return self._write("PATCH", f"issues/comments/{oldest.id:d}", body)

    def _url(self, path: str) -> str:
        return f"{self._api}/repos/{self.repository}/{path}"

    def _read(self, kind: type[T], path: str, query: Mapping[str, Any] | None = None) -> T:
        _, content = self._get(self._url(path), query, label=f"GET {path}")
        return parse(kind, content, source=f"GitHub's answer to GET {path}")

    def _entries(self, kind: type[T], path: str) -> Iterator[T]:
        """Every entry of a list, of which one page at a time is held. Raises GitHubError rather than end before its end."""
        former = None
        for page in itertools.count(1):
            answer, content = self._get(self._url(path), {"per_page": _PAGE, "page": page}, label=f"GET {path}")
            entries: tuple[T, ...] = parse(tuple[kind, ...], content, source=f"GitHub's answer to GET {path}")  # type: ignore[valid-type]
            yield from entries
            following = answer.links.get("next", {}).get("url")
            if following is None:
                return
            # The link only says that there is more, and is never followed; one to another host would be an attack.
            if urlsplit(following)[:2] != urlsplit(self._api)[:2]:
                raise GitHubError(f"GitHub's answer to GET {path} goes on at another host")
            if not entries or content == former:
                raise GitHubError(f"GitHub's answer to GET {path} says that there is more, and does not list it")
            former = content

    def _get(
        self, url: str, query: Mapping[str, Any] | None = None, *, label: str, bare: bool = False, status: int = 200
    ) -> tuple[requests.Response, bytes]:
        """A read, repeated where that can help. label: for messages. bare: of another host. status: of a good answer."""
        for attempt in range(1, _TRIES + 1):
            try:
                answer, content = self._request("GET", url, params=query, bare=bare)
            except requests.RequestException as error:
                if attempt == _TRIES:
                    raise self._no_answer(label, type(error).__name__) from None
                self._sleep(2.0 ** (attempt - 1))
                continue
            wait = _wait(answer, attempt)
            if wait is not None and attempt < _TRIES and wait <= _LONGEST_WAIT:
                self._sleep(wait)
                continue
            if answer.status_code == status:
                return answer, content
            raise self._refused(label, answer, content)
        raise AssertionError("the last attempt returns or raises")

    def _write(self, method: str, path: str, body: str) -> Comment:
        if len(body) > COMMENT_CHARACTERS or len(body.encode()) > 4 * COMMENT_CHARACTERS:
            raise GitHubError(f"a comment of {len(body)} characters is too long for GitHub")
        label = f"{method} {path}"
        try:
            answer, content = self._request(method, self._url(path), json={"body": body})
        except requests.RequestException as error:
            raise self._no_answer(label, f"{type(error).__name__}, and it may have happened") from None
        if answer.status_code != (201 if method == "POST" else 200):
            raise self._refused(label, answer, content)
        return parse(Comment, content, source=f"GitHub's answer to {label}")

    def _request(self, method: str, url: str, *, bare: bool = False, **payload: Any) -> tuple[requests.Response, bytes]:
        self.request_count += 1
        headers, limit = {"User-Agent": "lockgate"}, _ARTIFACT_BYTES if bare else _ANSWER_BYTES
        if not bare:
            headers |= {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": VERSION}
        answer = self._session.request(
            method,
            url,
            headers=headers,
            auth=_Token(None if bare else self._token),
            timeout=_TIMEOUT,
            allow_redirects=False,
            stream=True,
            **payload,
        )
        content = bytearray()
        for block in answer.iter_content(2**16):
            content += block
            if len(content) > limit:
                answer.close()
                raise GitHubError(f"GitHub's answer to {method} {urlsplit(url).path} is longer than {limit} bytes")
        return answer, bytes(content)

    def _refused(self, label: str, answer: requests.Response, content: bytes) -> GitHubError:
        remedy = {
            401: "give the job's own github.token",
            403: "give the job the permissions that the workflow of the documentation has, or wait for the rate limit",
            404: "check that it exists, and that the token may see it",
        }.get(answer.status_code)
        try:
            message = f": {self._printable(str(json.loads(content)['message']))}"
        except (ValueError, KeyError, TypeError, RecursionError):
            message = ""  # it sent something else
        error = GitHubError(f"GitHub answered {label} with {answer.status_code}{message}", remedy=remedy)
        error.status = answer.status_code
        return error

    def _no_answer(self, label: str, problem: str) -> GitHubError:
        return GitHubError(f"GitHub did not answer {label}: {problem}", remedy="try again; nothing was decided")

    def _printable(self, message: str) -> str:
        """GitHub's own message, on one line and without the token."""
        text = "".join(sign if sign.isprintable() else " " for sign in message[:200])
        return text.replace(self._token, "***")

    @staticmethod
    def _require_secure(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise GitHubError(
                f"no request goes to {parts.scheme or 'nothing'}://{parts.hostname}: only https is allowed"
            )


def own_comments(comments: Iterable[Comment], marker: str) -> list[Comment]:
    """The comments of ours that begin with the marker, the oldest first."""
    return sorted((comment for comment in comments if is_own(comment, marker)), key=lambda comment: comment.id)


def is_own(comment: Comment, marker: str) -> bool:
    """Whether it is a comment of ours that begins with the marker."""
    user = comment.user
    # nobody can register a login that ends in [bot]
    return comment.body.startswith(marker) and user is not None and (user.type, user.login) == ("Bot", BOT)


def _wait(answer: requests.Response, attempt: int) -> float | None:
    """Seconds after which the same read may succeed, None where it will not."""
    limited = answer.status_code == 429 or (
        answer.status_code == 403
        and ("Retry-After" in answer.headers or answer.headers.get("X-RateLimit-Remaining") == "0")
    )
    if not limited and answer.status_code not in (502, 503, 504):
        return None
    try:
        if "Retry-After" in answer.headers:
            return max(0.0, float(answer.headers["Retry-After"]))
        if limited and "X-RateLimit-Reset" in answer.headers:
            return max(1.0, float(answer.headers["X-RateLimit-Reset"]) - time.time())
    except ValueError:
        pass
    return 2.0 ** (attempt - 1)
