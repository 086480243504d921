"""What GitHub is asked and told, over its REST API: strictly read, capped, and the token never leaves for another host."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import requests
from requests.auth import AuthBase

from lockgate import hashing as digest
from lockgate.integrations.github.schema import (
    Account,
    Artifact,
    Artifacts,
    ChangedFile,
    Closer,
    CloserAnswer,
    Comment,
    Commit,
    GitHubError,
    PullRequest,
    WorkflowRun,
    WorkflowRuns,
    read,
)

API = "https://api.github.com"
VERSION = "2022-11-28"
BOT = "github-actions[bot]"
COMMENT_CHARACTERS = 60_000
CLOSER = """\
query($ids: [ID!]!, $owner: String!, $name: String!, $number: Int!) {
  nodes(ids: $ids) { ... on IssueComment { lastEditedAt editor { login } } }
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) { files(first: 100) { totalCount nodes { path changeType } } }
  }
}
"""

_PAGE = 100
_PAGES = 30
_TRIES = 4
_LONGEST_WAIT = 60.0
_TIMEOUT = (10, 30)  # seconds to connect, and between two bytes
_ANSWER_BYTES = 32 * 2**20
_ARTIFACT_BYTES = 256 * 2**20
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

T = TypeVar("T")


class _Token(AuthBase):
    """Sets the header itself, so that no .netrc of the machine can put another one there."""

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
    """One repository, by the right of one token. `asked` counts the requests."""

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
        self._secure(api)
        self.repository, self.asked = repository, 0
        self._api, self._token = api.rstrip("/"), token
        self._session = session or requests.Session()
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"GitHub({self.repository!r}, api={self._api!r})"

    def pull(self, number: int) -> PullRequest:
        return self._read(PullRequest, f"pulls/{number:d}")

    def comments(self, number: int) -> tuple[Comment, ...]:
        """All comments below a pull request, oldest first."""
        return self._pages(Comment, f"issues/{number:d}/comments")

    def comment(self, number: int) -> Comment:
        """One comment, as it is now."""
        return self._read(Comment, f"issues/comments/{number:d}")

    def closer(self, pull: PullRequest, comments: Sequence[Comment]) -> Closer | None:
        """Whether those comments (at most 100) were ever edited, and the pull request's files; None without GraphQL.

        The REST API tells times to the second, so it does not show an edit within the second of the writing. A question, and
        yet a POST: not repeated.
        """
        owner, _, name = self.repository.partition("/")
        told = {"ids": [one.node_id for one in comments], "owner": owner, "name": name, "number": pull.number}
        path = urlsplit(self._api).path.removesuffix("/v3")  # where a GitHub Enterprise Server has its REST API
        what = f"whether {len(comments)} comments were edited"
        try:
            answer, data = self._ask(
                "POST", urljoin(self._api, f"{path}/graphql"), json={"query": CLOSER, "variables": told}
            )
        except requests.RequestException as error:
            raise self._broken(what, type(error).__name__) from None
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise self._refused(what, answer, data)
        said = read(CloserAnswer, data, what=f"GitHub's answer to {what}")
        if said.errors or said.data is None or len(said.data.nodes) != len(comments):
            why = str(said.errors[0].get("message")) if said.errors else "its answer is not whole"
            raise GitHubError(
                f"GitHub does not say {what}: {self._shown(why)}", remedy="try again; nothing was decided"
            )
        return said.data

    def commits(self, pull: PullRequest) -> tuple[Commit, ...]:
        """All commits of a pull request. Raises GitHubError where GitHub lists fewer than there are (at most 250)."""
        found = self._pages(Commit, f"pulls/{pull.number:d}/commits")
        if len(found) < pull.commits:
            raise GitHubError(
                f"pull request {pull.number} has {pull.commits} commits, of which GitHub lists {len(found)}",
                remedy="squash them, so that everybody who had a hand in it can be seen",
            )
        return found

    def files(self, pull: PullRequest) -> tuple[ChangedFile, ...]:
        """The files that a pull request touches; GitHub lists at most 3,000."""
        return self._pages(ChangedFile, f"pulls/{pull.number:d}/files")

    def newest_run(self, workflow: str, head_sha: str) -> WorkflowRun | None:
        """The newest run of a workflow (its path) that a pull request started on that commit."""
        name = workflow.rpartition("/")[2]
        told = {"head_sha": head_sha, "event": "pull_request", "per_page": _PAGE}
        found = self._read(WorkflowRuns, f"actions/workflows/{quote(name, safe='')}/runs", told)
        if found.total_count > len(found.workflow_runs):
            raise GitHubError(f"commit {head_sha[:12]} has {found.total_count} runs, too many to tell the newest")
        return max(found.workflow_runs, key=lambda run: run.id, default=None)

    def artifacts(self, name: str) -> tuple[Artifact, ...]:
        """All artifacts of that name in the repository, newest first."""
        found: dict[int, Artifact] = {}
        for page in range(1, _PAGES + 1):
            told = {"name": name, "per_page": _PAGE, "page": page}
            listed = self._read(Artifacts, "actions/artifacts", told)
            found |= {one.id: one for one in listed.artifacts if one.name == name}
            if page * _PAGE >= listed.total_count:
                return tuple(found[number] for number in sorted(found, reverse=True))
        raise GitHubError(f"there are more than {_PAGES * _PAGE} artifacts called {name}; not all of them can be seen")

    def download(self, artifact: Artifact) -> bytes:
        """The bytes of an artifact's zip, held to its digest. Raises GitHubError, also where it is gone."""
        if artifact.expired:
            raise GitHubError(
                f"the artifact {artifact.name} has expired", remedy="run the gate workflow again"
            )  # fmt: skip
        if artifact.size_in_bytes > _ARTIFACT_BYTES:
            raise GitHubError(f"the artifact {artifact.name} has {artifact.size_in_bytes} bytes; that is too many")
        path = f"actions/artifacts/{artifact.id:d}/zip"
        answer, _ = self._get(self._url(path), what=f"GET {path}", redirected=True)
        place = answer.headers.get("Location", "")
        self._secure(place)
        # another host, which is shown no token
        _, data = self._get(place, what=f"the download of {artifact.name}", bare=True, limit=_ARTIFACT_BYTES)
        if artifact.digest is not None and digest.sha256(data) != artifact.digest:
            raise GitHubError(f"the bytes of the artifact {artifact.name} are not those that GitHub says it has")
        return data

    def say(self, number: int, body: str) -> Comment:
        """Write a comment. Not repeated when the answer is lost: it may be there."""
        return self._write("POST", f"issues/{number:d}/comments", body)

    def stick(self, number: int, body: str, *, marker: str, comments: tuple[Comment, ...] | None = None) -> Comment:
        """Write the one comment that begins with the marker, or write it anew over the oldest of ours.

        Ours is what the Actions bot wrote; the same marker in anybody else's comment means nothing.
        """
        if not body.startswith(marker):
            raise ValueError("the body must begin with the marker, or it would not be found again")
        listed = self.comments(number) if comments is None else comments
        oldest = stuck(listed, marker)
        if oldest is None:
            return self.say(number, body)
        if oldest.body == body:
            return oldest
        return self._write("PATCH", f"issues/comments/{oldest.id:d}", body)

    def _url(self, path: str) -> str:
        return f"{self._api}/repos/{self.repository}/{path}"

    def _read(self, kind: type[T], path: str, told: Mapping[str, Any] | None = None) -> T:
        _, data = self._get(self._url(path), told, what=f"GET {path}")
        return read(kind, data, what=f"GitHub's answer to GET {path}")

    def _pages(self, kind: type[T], path: str) -> tuple[T, ...]:
        """Every page of a list. Raises GitHubError rather than return a part of it."""
        found: list[T] = []
        for page in range(1, _PAGES + 1):
            answer, data = self._get(self._url(path), {"per_page": _PAGE, "page": page}, what=f"GET {path}")
            found += read(tuple[kind, ...], data, what=f"GitHub's answer to GET {path}")  # type: ignore[valid-type]
            following = answer.links.get("next", {}).get("url")
            if following is None:
                return tuple(found)
            # the address is never followed, only believed that there is more; elsewhere it would be a sign of trouble
            if urlsplit(following)[:2] != urlsplit(self._api)[:2]:
                raise GitHubError(f"GitHub's answer to GET {path} goes on at another host")
        raise GitHubError(f"GET {path} has more than {_PAGES * _PAGE} entries; not all of them can be seen")

    def _get(
        self,
        url: str,
        told: Mapping[str, Any] | None = None,
        *,
        what: str,
        bare: bool = False,
        redirected: bool = False,
        limit: int = _ANSWER_BYTES,
    ) -> tuple[requests.Response, bytes]:
        """A read, tried again where that can help. redirected: that the answer says to look elsewhere."""
        for attempt in range(1, _TRIES + 1):
            try:
                answer, data = self._ask("GET", url, params=told, bare=bare, limit=limit)
            except requests.RequestException as error:
                if attempt == _TRIES:
                    raise self._broken(what, type(error).__name__) from None
                self._sleep(2.0 ** (attempt - 1))
                continue
            wait = _wait(answer, attempt)
            if wait is not None and attempt < _TRIES and wait <= _LONGEST_WAIT:
                self._sleep(wait)
                continue
            if answer.status_code == (302 if redirected else 200):
                return answer, data
            raise self._refused(what, answer, data)
        raise AssertionError("the last attempt returns or raises")

    def _write(self, method: str, path: str, body: str) -> Comment:
        if len(body) > COMMENT_CHARACTERS or len(body.encode()) > 4 * COMMENT_CHARACTERS:
            raise GitHubError(f"a comment of {len(body)} characters is too long for GitHub")
        what = f"{method} {path}"
        try:
            answer, data = self._ask(method, self._url(path), json={"body": body})
        except requests.RequestException as error:
            raise self._broken(what, f"{type(error).__name__}, and it may have happened") from None
        if answer.status_code != (201 if method == "POST" else 200):
            raise self._refused(what, answer, data)
        return read(Comment, data, what=f"GitHub's answer to {what}")

    def _ask(
        self, method: str, url: str, *, bare: bool = False, limit: int = _ANSWER_BYTES, **told: Any
    ) -> tuple[requests.Response, bytes]:
        self.asked += 1
        headers = {"User-Agent": "lockgate"}
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
            **told,
        )
        data = bytearray()
        for block in answer.iter_content(2**16):
            data += block
            if len(data) > limit:
                answer.close()
                raise GitHubError(f"GitHub's answer to {method} {urlsplit(url).path} is longer than {limit} bytes")
        return answer, bytes(data)

    def _refused(self, what: str, answer: requests.Response, data: bytes) -> GitHubError:
        remedy = {
            401: "give the job's own github.token",
            403: "give the job the permissions that the workflow of the documentation has, or wait for the rate limit",
            404: "check that it exists, and that the token may see it",
        }.get(answer.status_code)
        error = GitHubError(
            f"GitHub answered {what} with {answer.status_code}{self._said(data)}", remedy=remedy
        )  # fmt: skip
        error.status = answer.status_code
        return error

    def _broken(self, what: str, why: str) -> GitHubError:
        return GitHubError(f"GitHub did not answer {what}: {why}", remedy="try again; nothing was decided")

    def _said(self, data: bytes) -> str:
        """GitHub's own message, on one line and without the token; nothing where it sent something else."""
        try:
            message = str(json.loads(data)["message"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""
        return f": {self._shown(message)}"

    def _shown(self, message: str) -> str:
        shown = "".join(sign if sign.isprintable() else " " for sign in message[:200])
        return shown.replace(self._token, "***")

    @staticmethod
    def _secure(url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise GitHubError(f"{parts.scheme or 'nothing'}://{parts.hostname} is not asked: only https is")


def stuck(comments: Iterable[Comment], marker: str) -> Comment | None:
    """The one comment of ours that begins with the marker, None where there is none yet."""
    mine = [one for one in comments if one.body.startswith(marker) and one.user is not None and _ours(one.user)]
    return min(mine, key=lambda one: one.id, default=None)


def _ours(user: Account) -> bool:
    """A login that ends in [bot] can be taken by nobody."""
    return user.type == "Bot" and user.login == BOT


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
