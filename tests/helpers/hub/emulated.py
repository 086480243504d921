"""A GitHub that nobody here wrote: the stateful emulator `emulate`, behind a proxy that holds all to GitHub's description.

What our client asks passes four stations, all on this machine:

* the door, which keeps what the proxy found wrong, hands out the bytes of artifacts as GitHub's storage does, and says
  over GraphQL who edited a comment;
* `prism proxy`, which holds each request and each answer to GitHub's own OpenAPI file;
* the gaps, which is ours: what the emulator does not keep (see `Gaps`);
* `emulate`, which keeps people, git's objects, branches, the pull request, comments and who wrote them.
"""

from __future__ import annotations

import base64
import copy
import io
import json
import re
import subprocess
import time
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from jsonschema import Draft7Validator

from helpers.hub.contract import Contract, github
from helpers.hub.hop import Hop, Reply, Request, Upstream, upstream
from helpers.hub.programs import Program, node
from helpers.hub.published import EVENTS, SCHEMAS, published
from helpers.hub.subset import subset
from helpers.servers import free_port
from lockgate import hashing as digest
from lockgate.integrations.github.client import EDITS_QUERY

ORG, REPO = "acme", "models"
NAME = f"{ORG}/{REPO}"
GATE = ".github/workflows/gate.yml"
PEOPLE = ("ana", "dev", "carl")
PERMISSIONS = {"contents": "read", "actions": "read", "pull_requests": "write", "issues": "write", "metadata": "read"}

_APP, _INSTALLATION = 15368, 1
_JSON = {"content-type": "application/json; charset=utf-8"}


class Gaps:
    """Between the proxy and the emulator: hands everything on but what the emulator does not keep. Ours are

    * GET actions/workflows/gate.yml/runs, actions/artifacts and actions/artifacts/N/zip: wholly. In the emulator nobody
      can make a run of a pull request or leave an artifact. Made of GitHub's own examples.
    * GET pulls/N, pulls/N/commits and pulls/N/files: the emulator's own comparison of base and branch. For itself it
      keeps a pull request at the commit that it was opened with, and makes its files up.
    * GET pulls/N/reviews and pulls/N/comments: none.
    * comments: the emulator's, but for the time of the last change of one that nobody changed: the emulator touches a
      comment once more when it makes it, so that some look edited by a millisecond.

    The proxy follows redirections itself, so the address of an artifact goes past it in another header.
    """

    def __init__(self, emulate: Upstream, contract: Contract) -> None:
        self.emulate, self.contract = emulate, contract
        self.runs: list[dict[str, Any]] = []
        self.artifacts: list[dict[str, Any]] = []
        self._as_made: dict[int, str] = {}

    def answer(self, request: Request) -> Reply:
        path = request.path.removeprefix(f"/repos/{NAME}/")
        if request.method == "GET":
            if match := re.fullmatch(r"pulls/(\d+)(?:/(commits|files))?", path):
                return self._pull(request, f"/repos/{NAME}/pulls/{match[1]}", match[2])
            if path == f"actions/workflows/{GATE.rpartition('/')[2]}/runs":
                named = {"event": "event", "head_sha": "head_sha", "branch": "head_branch"}
                asked = {field: request.told[name] for name, field in named.items() if name in request.told}
                found = [one for one in self.runs if asked.items() <= one.items()]
                return _said({"total_count": len(found), "workflow_runs": found[::-1]})
            if re.fullmatch(r"pulls/\d+/(reviews|comments)", path):
                return _said([])
            if path == "actions/artifacts":
                left = [one for one in self.artifacts if one["name"] == request.told["name"]]
                return _said({"total_count": len(left), "artifacts": left[::-1]})
            if match := re.fullmatch(r"actions/artifacts/(\d+)/zip", path):
                return Reply(302, {"x-location": f"/storage/{match[1]}"})
        reply = self.emulate(request)
        return self._untouched(request, reply) if "/comments" in path and reply.status in (200, 201) else reply

    def _pull(self, request: Request, path: str, part: str | None) -> Reply:
        reply = self.emulate(Request("GET", path, request.headers))
        if reply.status != 200:
            return reply
        pull = json.loads(reply.body)
        between = f"/repos/{NAME}/compare/{pull['base']['sha']}...{pull['head']['ref']}"
        compared = json.loads(self.emulate(Request("GET", between, request.headers)).body)
        if part is not None:
            return _said(compared[part])
        pull["head"]["sha"] = compared["commits"][-1]["sha"]
        return _said(pull | {"commits": len(compared["commits"]), "changed_files": len(compared["files"])})

    def _untouched(self, request: Request, reply: Reply) -> Reply:
        said = json.loads(reply.body)
        if request.method == "POST":
            self._as_made[said["id"]] = said["updated_at"]
        for comment in said if isinstance(said, list) else [said]:
            if self._as_made.get(comment["id"]) == comment["updated_at"]:
                comment["updated_at"] = comment["created_at"]
        return Reply(reply.status, reply.headers, json.dumps(said).encode())


class Emulated:
    """The repository acme/models with its people; `api` is what our client is told to ask.

    asked: (method, path, status) of every request that came. wrong: what GitHub's description says against one of them.
    """

    def __init__(self, folder: Path) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self.wrong: list[str] = []
        self.stored: dict[int, bytes] = {}
        self.shown_to_storage: list[str | None] = []
        self.editors: dict[int, str] = {}
        self.number = 0
        self._closing = ExitStack()
        try:
            self._open(folder)
        except BaseException:
            self.close()
            raise

    def _open(self, folder: Path) -> None:
        emulate, prism = free_port(), free_port()
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        (folder / "subset.json").write_text(json.dumps(subset()))
        (folder / "seed.yaml").write_text(json.dumps(_seed(key)))
        door = Hop(self._door)
        self._closing.callback(door.close)
        self.api = f"http://127.0.0.1:{door.port}"
        self.gaps = Gaps(upstream(emulate, host=f"127.0.0.1:{door.port}"), github())
        gaps = Hop(self.gaps.answer)
        self._closing.callback(gaps.close)
        local = ("--host", "127.0.0.1", "--port")
        start = ["start", "--service", "github", *local, str(emulate), "--base-url", self.api]
        proxy = ["proxy", *local, str(prism), str(folder / "subset.json"), f"http://127.0.0.1:{gaps.port}"]
        commands = {
            emulate: node("emulate/dist/index.js", *start, "--seed", str(folder / "seed.yaml")),
            prism: node("@stoplight/prism-cli/dist/index.js", *proxy),
        }
        started = [Program(command, port, folder / f"{port}.log") for port, command in commands.items()]
        for program in started:
            self._closing.callback(program.stop)
        for program in started:
            program.wait()
        self._proxy = upstream(prism)
        self.users = {name: self.ask("GET", f"/users/{name}") for name in PEOPLE}
        self.repository = self.ask("GET", f"/repos/{NAME}", by="ana")
        self.token = self._installed(key)

    def close(self) -> None:
        self._closing.close()

    # what our client asks ---------------------------------------------------------------------------------------

    def _door(self, request: Request) -> Reply:
        if request.path == "/graphql":  # of which the emulator has none: who edited what is known from `edit`
            asked = json.loads(request.body)
            assert asked["query"] == EDITS_QUERY
            by = {one["node_id"]: self.editors.get(one["id"]) for one in self.comments(self.number)}
            told = [by[one] for one in asked["variables"]["ids"]]
            edits = [{"lastEditedAt": one and "2026-11-21T12:00:00Z", "editor": one and {"login": one}} for one in told]
            return _said({"data": {"nodes": edits, "repository": {"pullRequest": {"files": None}}}})
        if request.path.startswith("/storage/"):
            self.shown_to_storage.append(request.headers.get("Authorization"))
            return Reply(200, {"content-type": "application/zip"}, self.stored[int(request.path.rpartition("/")[2])])
        reply = self._proxy(request)
        self.asked.append((request.method, request.path, reply.status))
        self.wrong += wrong_requests(reply.headers.pop("sl-violations", ""))
        place = reply.headers.pop("x-location", None)
        return reply if place is None else Reply(reply.status, {"location": f"{self.api}{place}"})

    # what people do ---------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Any = None, *, by: str | None = None, bearer: str = "") -> Any:
        """What a person does through GitHub's pages, which no proxy sees."""
        headers = {"Content-Type": "application/json"}
        if by or bearer:
            headers["Authorization"] = f"Bearer {bearer or f'tok_{by}'}"
        reply = self.gaps.answer(Request(method, path, headers, b"" if body is None else json.dumps(body).encode()))
        assert reply.status < 300, f"{method} {path}: {reply.status} {reply.body.decode()}"
        return json.loads(reply.body) if reply.body else None

    def push(self, git: Path, branch: str, *, by: str) -> str:
        """The branch of a real repository, object by object; each gets the name that git gave it."""
        new = _git(git, "rev-parse", branch).strip()
        for commit in _git(git, "rev-list", "--reverse", branch).split():
            entries = []
            for line in _git(git, "ls-tree", "-r", commit).splitlines():
                (mode, kind, blob), path = line.partition("\t")[0].split(), line.partition("\t")[2]
                content = subprocess.run(
                    ["git", "cat-file", "blob", blob], cwd=git, check=True, capture_output=True
                ).stdout
                told = {"content": base64.b64encode(content).decode(), "encoding": "base64"}
                made = self.ask("POST", f"/repos/{NAME}/git/blobs", told, by=by)
                assert made["sha"] == blob
                entries.append({"path": path, "mode": mode, "type": kind, "sha": blob})
            tree = self.ask("POST", f"/repos/{NAME}/git/trees", {"tree": entries}, by=by)["sha"]
            form = "--format=%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%P%x00%B"
            said = _git(git, "show", "-s", form, commit).removesuffix("\n").split("\0")
            author, committer = (dict(zip(("name", "email", "date"), said[at : at + 3], strict=True)) for at in (0, 3))
            told = {
                "message": said[7],
                "tree": tree,
                "parents": said[6].split(),
                "author": author,
                "committer": committer,
            }
            made = self.ask("POST", f"/repos/{NAME}/git/commits", told, by=by)
            assert made["sha"] == commit
        if branch in {one["name"] for one in self.ask("GET", f"/repos/{NAME}/branches", by=by)}:
            self.ask("PATCH", f"/repos/{NAME}/git/refs/heads/{branch}", {"sha": new}, by=by)
        else:
            self.ask("POST", f"/repos/{NAME}/git/refs", {"ref": f"refs/heads/{branch}", "sha": new}, by=by)
        return new

    def open(self, branch: str, *, by: str, title: str) -> int:
        """A pull request; its number."""
        asked = {"title": title, "head": branch, "base": "main"}
        self.number = int(self.ask("POST", f"/repos/{NAME}/pulls", asked, by=by)["number"])
        return self.number

    def merge(self, number: int, *, by: str) -> None:
        self.ask("PUT", f"/repos/{NAME}/pulls/{number}/merge", {}, by=by)

    def comment(self, number: int, body: str, *, by: str) -> dict[str, Any]:
        """The event that the workflow is told of."""
        made = self.ask("POST", f"/repos/{NAME}/issues/{number}/comments", {"body": body}, by=by)
        return self._commented("created", number, made, by)

    def edit(self, number: int, comment: int, body: str, *, by: str) -> dict[str, Any]:
        path = f"/repos/{NAME}/issues/comments/{comment}"
        before = self.ask("GET", path, by=by)["body"]
        self.editors[comment] = by
        return self._commented("edited", number, self.ask("PATCH", path, {"body": body}, by=by), by, before)

    def comments(self, number: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", f"/repos/{NAME}/issues/{number}/comments?per_page=100", by="ana")
        return found

    # what the runner does ---------------------------------------------------------------------------------------

    def run(self, number: int, *, by: str) -> dict[str, Any]:
        """A run of the gate's workflow on the newest commit of a pull request."""
        pull = self.ask("GET", f"/repos/{NAME}/pulls/{number}", by=by)
        run = self.gaps.contract.example("actions/list-workflow-runs", "workflow_runs", 0)
        run |= {"id": 9_000_001 + len(self.gaps.runs), "path": GATE, "event": "pull_request", "run_attempt": 1}
        run |= {"head_sha": pull["head"]["sha"], "head_branch": pull["head"]["ref"], "status": "completed"}
        run |= {"actor": self.users[by], "triggering_actor": self.users[by]}
        run |= {"html_url": f"{self.api}/{NAME}/actions/runs/{run['id']}"}
        for place in ("repository", "head_repository"):
            run[place]["id"] = self.repository["id"]
        self.gaps.runs.append(run)
        return run

    def leave(self, name: str, folder: Path, *, run: dict[str, Any] | None = None) -> None:
        """The files of a folder as an artifact, of the run or else of one on the default branch."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(folder))
        data = packed.getvalue()
        artifact = self.gaps.contract.example("actions/list-artifacts-for-repo", "artifacts", 0)
        artifact |= {"id": 11 + len(self.gaps.artifacts), "name": name, "expired": False}
        artifact |= {"size_in_bytes": len(data), "digest": digest.sha256(data)}
        main = {"id": 1, "head_branch": "main", "head_sha": "0" * 40}
        made = {key: (run or main)[key] for key in ("id", "head_branch", "head_sha")}
        here = self.repository["id"]
        artifact["workflow_run"] = {**made, "repository_id": here, "head_repository_id": here}
        self.gaps.artifacts.append(artifact)
        self.stored[artifact["id"]] = data

    def pushed(self, number: int, action: str, *, by: str) -> dict[str, Any]:
        """The event of a pull request, made of GitHub's own example."""
        event = _example("pull_request", action)
        pull = self.ask("GET", f"/repos/{NAME}/pulls/{number}", by=by)
        _lay(event["pull_request"], pull)
        _lay(event["sender"], self.users[by])
        _lay(event["repository"], self.repository)
        event["number"] = number
        return event

    def _commented(
        self, action: str, number: int, comment: dict[str, Any], by: str, before: str | None = None
    ) -> dict[str, Any]:
        """None of GitHub's examples is of a comment on a pull request; the addresses come from one that is of one."""
        event = _example("issue_comment", action)
        pull = _example("pull_request", "opened")["pull_request"]
        event["issue"]["number"] = number
        event["issue"]["pull_request"] = {key: pull[key] for key in ("url", "html_url", "diff_url", "patch_url")}
        _lay(event["comment"], comment)
        _lay(event["sender"], self.users[by])
        _lay(event["repository"], self.repository)
        if before is not None:
            event["changes"] = {"body": {"from": before}}
        told = {"$ref": f"#/definitions/issue_comment${action}", "definitions": published(SCHEMAS)["definitions"]}
        Draft7Validator(told).validate(event)
        return event

    def _installed(self, key: rsa.RSAPrivateKey) -> str:
        """A token of the app that GitHub's runner acts as."""
        now = int(time.time())
        parts = [{"alg": "RS256", "typ": "JWT"}, {"iat": now - 30, "exp": now + 300, "iss": _APP}]
        signed = b".".join(_url64(json.dumps(part).encode()) for part in parts)
        bearer = signed + b"." + _url64(key.sign(signed, padding.PKCS1v15(), hashes.SHA256()))
        path = f"/app/installations/{_INSTALLATION}/access_tokens"
        return str(self.ask("POST", path, {}, bearer=bearer.decode())["token"])


def wrong_requests(violations: str) -> list[str]:
    """Those of the proxy's complaints that are about a request: they stand first, and the proxy may cut their end off.

    That the emulator's answers are not always GitHub's is known, and not what we look for.
    """
    return re.findall(r'\{"location":\["request"[^}]*', violations)


def _seed(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    app = {"app_id": _APP, "slug": "github-actions", "name": "GitHub Actions", "private_key": pem}
    return {
        "tokens": {f"tok_{name}": {"login": name, "scopes": ["repo", "admin:org"]} for name in PEOPLE},
        "github": {
            "users": [{"login": name, "email": f"{name}@example.org"} for name in PEOPLE],
            "orgs": [{"login": ORG, "members": [{"login": name, "role": "admin"} for name in PEOPLE]}],
            "repos": [{"owner": ORG, "name": REPO, "auto_init": False}],
            "apps": [
                {
                    **app,
                    "permissions": PERMISSIONS,
                    "installations": [{"installation_id": _INSTALLATION, "account": ORG, "permissions": PERMISSIONS}],
                }
            ],
        },
    }


def _said(value: Any) -> Reply:
    return Reply(200, dict(_JSON), json.dumps(value).encode())


def _example(name: str, action: str) -> dict[str, Any]:
    """The newest of GitHub's own; the oldest are not of the shape that it describes now."""
    examples = next(one["examples"] for one in published(EVENTS) if one["name"] == name)
    found: dict[str, Any] = copy.deepcopy([one for one in examples if one["action"] == action][-1])
    return found


def _lay(example: dict[str, Any], value: dict[str, Any]) -> None:
    """What the emulator says, over what GitHub's example does; nothing that the example has not."""
    for key, said in value.items():
        if isinstance(said, dict) and isinstance(example.get(key), dict):
            _lay(example[key], said)
        elif key in example:
            example[key] = said


def _url64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout
