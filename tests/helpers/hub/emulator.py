"""A repository on GitHub with one pull request: who does what in it, and what its API says then.

What is said is made of GitHub's own examples, and held to GitHub's own description. Its clock moves a second a deed.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from helpers.hub.contract import Contract, Violation
from helpers.promoting import NOW, POLICY, evidence
from lockgate import hashing as digest
from lockgate.evidence.evidence import Evidence
from lockgate.integrations.github.client import EDITS_QUERY

REPOSITORY = 100
NAME = "acme/models"
NUMBER = 12
GATE = ".github/workflows/gate.yml"
APPROVE = ".github/workflows/gate-approve.yml"
BOT = {"login": "github-actions[bot]", "id": 41898282, "type": "Bot"}
WEB_FLOW, WEB_FLOW_EMAIL = {"login": "web-flow", "id": 19864447, "type": "User"}, "noreply@github.com"

Answer = tuple[int, dict[str, str], bytes]


def user(name: str) -> dict[str, Any]:
    """A person, always of the same number."""
    return {"login": name, "id": 1000 + int(hashlib.sha256(name.encode()).hexdigest()[:4], 16), "type": "User"}


@dataclass
class World:
    """The repository. What is public may be changed by a test to play an attack."""

    contract: Contract
    author: str = "dev"
    policy: str = POLICY
    now: datetime = NOW
    comments: dict[int, dict[str, Any]] = field(default_factory=dict)
    editors: dict[int, str] = field(default_factory=dict)
    commits: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=lambda: [{"filename": "models/fraud.version"}])
    runs: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    stored: dict[int, bytes] = field(default_factory=dict)
    pull: dict[str, Any] = field(default_factory=dict)
    reviews: list[dict[str, Any]] = field(default_factory=list)
    beside_lines: list[dict[str, Any]] = field(default_factory=list)
    happened: list[dict[str, Any]] = field(default_factory=list)
    compared: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    shown_token: list[str | None] = field(default_factory=list)
    fault: Callable[[str, str], Answer | None] = lambda method, target: None
    _next: int = 5000

    def __post_init__(self) -> None:
        self.pull = {"state": "open", "merged": False, "draft": False, "base": "main", "head_repository": REPOSITORY}
        self.push(self.author)
        self.start_run(self.author)["id"] = 1
        self._next -= 1

    def __hash__(self) -> int:
        return id(self)

    def number(self) -> int:
        self._next += 1
        return self._next

    def tick(self) -> str:
        self.now += timedelta(seconds=1)
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    # what people do ---------------------------------------------------------------------------------------------

    @property
    def head(self) -> str:
        return str(self.commits[-1]["sha"])

    def push(
        self, by: str | None, *, message: str = "train", email: str | None = None, files: Sequence[str] = ()
    ) -> str:
        """A commit. by: the account of its author and committer, None where the email belongs to nobody."""
        sha = hashlib.sha1(str(self.number()).encode()).hexdigest()
        signature = {"name": "N", "email": email or f"{by}@example.org", "date": "2011-04-14T16:00:49Z"}
        account = None if by is None else user(by)
        self.commits.append({"sha": sha, "author": account, "committer": account, "by": signature, "message": message})
        self.files += [{"filename": name} for name in files]
        self.tick()
        return sha

    def run_gate(self, by: str | None = None, *, path: str = GATE, **more: Any) -> Evidence:
        """A run of the gate's workflow on the newest commit, and the evidence that it leaves. more: of the evidence."""
        return self._evaluate(self.start_run(by or self.author, path=path), **more)

    def start_run(self, by: str, *, path: str = GATE) -> dict[str, Any]:
        """A run on the newest commit that leaves nothing (yet), as opening the pull request started one."""
        run = {
            "id": self.number(),
            "path": path,
            "event": "pull_request",
            "head_sha": self.head,
            "head_branch": "better",
            "run_attempt": 1,
            "actor": user(by),
            "triggering_actor": user(by),
        }
        self.runs.append(run)
        return run

    def rerun(self, by: str, **more: Any) -> Evidence:
        """The newest run once more."""
        run = self.runs[-1]
        run["run_attempt"] += 1
        run["triggering_actor"] = user(by)
        return self._evaluate(run, **more)

    def _evaluate(self, run: dict[str, Any], **more: Any) -> Evidence:
        self.tick()
        told = {"version": "2", "commit": run["head_sha"], "policy": self.policy, "finished": self.now} | more
        document = dict(evidence(**told).document)
        ci = {"GITHUB_RUN_ID": str(run["id"]), "GITHUB_RUN_ATTEMPT": str(run["run_attempt"])}
        found = Evidence.from_document({**document, "run": {**document["run"], "ci": ci}})
        self.leave(run, {"evidence.json": found.stored})
        return found

    def leave(self, run: dict[str, Any], files: dict[str, bytes], *, name: str | None = None) -> dict[str, Any]:
        """An artifact of a run, named as the written workflow of that file name does."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, content in files.items():
                archive.writestr(path, content)
        of = re.search(r"/gate(?:-approve)?((?:-\w+)?)\.yml$", run.get("path", GATE))
        return self.leave_bytes(run, packed.getvalue(), name=name or f"gate{of[1] if of else ''}-{NUMBER}")

    def leave_bytes(self, run: dict[str, Any], data: bytes, *, name: str = f"gate-{NUMBER}") -> dict[str, Any]:
        artifact = {
            "id": self.number(),
            "name": name,
            "expired": False,
            "size_in_bytes": len(data),
            "digest": digest.sha256(data),
            "run": run,
            "repository_id": REPOSITORY,
            "head_repository_id": REPOSITORY,
        }
        self.stored[artifact["id"]] = data
        self.artifacts.append(artifact)
        return artifact

    def keep(self, record: bytes, *, path: str = APPROVE) -> None:
        """What a decision on the default branch leaves for the next."""
        run = {
            "id": self.number(),
            "path": path,
            "event": "issue_comment",
            "head_sha": "f" * 40,
            "head_branch": "main",
        }
        self.leave(run, {"record.jsonl": record})

    def comment(self, by: str, body: str, *, account: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        """A comment; the event that tells of it."""
        at = self.tick()
        made = {
            "id": self.number(),
            "user": account or user(by),
            "body": body,
            "created_at": at,
            "updated_at": at,
            "author_association": "CONTRIBUTOR",
            **more,
        }
        self.comments[made["id"]] = made
        return self.event("created", made, sender=by)

    def edit(self, number: int, by: str, body: str, *, at_once: bool = False) -> dict[str, Any]:
        """Anybody who may write here can; its author stays who it was. at_once: in the second in which it was written."""
        made = self.comments[number]
        before, at = made["body"], self.tick()
        made |= {"body": body, "updated_at": made["created_at"] if at_once else at}
        self.editors[number] = by
        return self.event("edited", made, sender=by, changes={"body": {"from": before}})

    def edit_elsewhere(self, made: dict[str, Any], by: str, body: str) -> None:
        """A review, whose time stays what it was, or what stands beside a line."""
        made |= {"body": body} | ({"updated_at": self.tick()} if "updated_at" in made else {})
        self.editors[made["id"]] = by

    def delete(self, number: int, by: str) -> dict[str, Any]:
        self.tick()
        return self.event("deleted", self.comments.pop(number), sender=by)

    def review(self, by: str, state: str, body: str = "") -> dict[str, Any]:
        """A review, like CHANGES_REQUESTED; the event that tells of it."""
        made = {"id": self.number(), "user": user(by), "state": state, "body": body, "submitted_at": self.tick()}
        self.reviews.append(made)
        return self._reviewed("submitted", made, by)

    def dismiss(self, review: int, by: str) -> dict[str, Any]:
        """Anybody who may write here can."""
        made = next(one for one in self.reviews if one["id"] == review)
        dismissed = {"review_id": review, "state": made["state"].lower(), "dismissal_message": "no"}
        self.happened.append({"event": "review_dismissed", "actor": user(by), "dismissed_review": dismissed})
        made["state"] = "DISMISSED"
        self.tick()
        return self._reviewed("dismissed", made, by)

    def comment_beside_a_line(self, by: str, body: str) -> dict[str, Any]:
        """A comment in the Files tab, which makes a review by itself; the event that tells of it."""
        self.review(by, "COMMENTED")
        at = self.tick()
        self.beside_lines.append(
            {"id": self.number(), "user": user(by), "body": body, "created_at": at, "updated_at": at}
        )
        comment, repository = self.beside_lines[-1], {"default_branch": "main", "full_name": NAME}
        told = {"action": "created", "comment": comment, "pull_request": {"number": NUMBER}, "repository": repository}
        return copy.deepcopy(told)

    def update_branch(self, by: str, *, brings: Sequence[str] = ("README.md",), **more: Any) -> str:
        """What the button does: a merge of the base, which GitHub signs. more: of the commit, as somebody forged it.

        brings: the files that the base changed. `solved` of more: files that hold what somebody chose on GitHub's pages.
        """
        before, base = self.head, hashlib.sha1(str(self.number()).encode()).hexdigest()
        self.push(by, message="Merge branch 'main' into better")
        solved = more.pop("solved", ())
        merged = {"parents": [before, base], "committer": WEB_FLOW, "verified": True, "signer": WEB_FLOW_EMAIL}
        self.commits[-1] |= merged | more
        files = [{"filename": name, "sha": hashlib.sha1(name.encode()).hexdigest()} for name in brings]
        chosen = [{"filename": name, "sha": hashlib.sha1(b"x" + name.encode()).hexdigest()} for name in solved]
        parents = self.commits[-1]["parents"]
        self.compared[f"{parents[0]}...{parents[-1]}"] = files + [
            {"filename": name, "sha": "d" * 40} for name in solved
        ]
        self.compared[f"{parents[0]}...{self.head}"] = files + chosen
        return self.head

    def merge(self) -> None:
        self.tick()
        self.pull |= {"state": "closed", "merged": True}

    def event(self, action: str, comment: dict[str, Any], *, sender: str, **more: Any) -> dict[str, Any]:
        """What the workflow is told, made of GitHub's own example."""
        return copy.deepcopy(
            {
                "action": action,
                "issue": {"number": NUMBER, "pull_request": {"url": self._url(f"pulls/{NUMBER}")}},
                "comment": self._comment(comment),
                "sender": self._account(user(sender) if sender != BOT["login"] else BOT),
                "repository": {"id": REPOSITORY, "default_branch": "main", "full_name": NAME},
                **more,
            }
        )

    def _reviewed(self, action: str, made: dict[str, Any], sender: str) -> dict[str, Any]:
        review = {**self._review(made), "state": made["state"].lower()}
        told = {"action": action, "review": review, "pull_request": {"number": NUMBER}, "sender": user(sender)}
        return copy.deepcopy({**told, "repository": {"default_branch": "main", "full_name": NAME}})

    # what the API says ------------------------------------------------------------------------------------------

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """To a request that is one that GitHub takes; raises Violation for another."""
        self.asked.append(f"{method} {target}")
        self.shown_token.append(
            next((value for name, value in headers.items() if name.lower() == "authorization"), None)
        )
        path, _, query = target.partition("?")
        if path.startswith("/storage/"):
            return 200, {"Content-Type": "application/zip"}, self.stored[int(path.rpartition("/")[2])]
        graphql = path == "/graphql"
        operation = (
            self._graphql_asked(method, headers, body)
            if graphql
            else self.contract.request(method, target, headers, body)
        )
        made = self.fault(method, target)
        if made is not None:
            return made
        if operation is None:
            return (
                200,
                {"Content-Type": "application/json; charset=utf-8"},
                json.dumps(self._closer(json.loads(body))).encode(),
            )
        told = dict(parse_qsl(query))
        status, more, value = self._answer(method, path.removeprefix(f"/repos/{NAME}/"), told, body)
        data = b"" if value is None else json.dumps(value).encode()
        self.contract.answer(operation, status, data)
        return status, {"Content-Type": "application/json; charset=utf-8", **more}, data

    def _answer(self, method: str, path: str, told: dict[str, str], body: bytes) -> tuple[int, dict[str, str], Any]:
        if path == f"pulls/{NUMBER}":
            return 200, {}, self._pull()
        if path == f"pulls/{NUMBER}/commits":
            return self._page(path, [self._commit(one) for one in self.commits], told)
        if path == f"pulls/{NUMBER}/files":
            example = self.contract.example("pulls/list-files", 0)
            return self._page(path, [{**example, **one} for one in self.files], told)
        if path == f"pulls/{NUMBER}/reviews":
            return self._page(path, [self._review(one) for one in self.reviews], told)
        if path == f"pulls/{NUMBER}/comments":
            example = self.contract.example("pulls/list-review-comments", 0)
            beside = [{**example, **one, "user": self._account(one["user"])} for one in self.beside_lines]
            for one in beside:
                one["node_id"] = f"PRRC_{one['id']}"
                one["html_url"] = f"https://github.com/{NAME}/pull/{NUMBER}#discussion_r{one['id']}"
            return self._page(path, beside, told)
        if path == f"issues/{NUMBER}/events":
            event = self.contract.example("issues/list-events", 0)
            happened = [{**event, **one, "actor": self._account(one["actor"])} for one in self.happened]
            return self._page(path, happened, told)
        if path.startswith("compare/") and path.removeprefix("compare/") in self.compared:
            example = self.contract.example("repos/compare-commits")
            files = self.compared[path.removeprefix("compare/")]
            return (
                200,
                {},
                {**example, "files": [{**example["files"][0], "status": "modified", **one} for one in files]},
            )
        if path == f"issues/{NUMBER}/comments" and method == "GET":
            return self._page(path, [self._comment(one) for _, one in sorted(self.comments.items())], told)
        if path == f"issues/{NUMBER}/comments":
            event = self.comment(BOT["login"], json.loads(body)["body"], account=BOT)
            return 201, {}, event["comment"]
        if (match := re.fullmatch(r"issues/comments/(\d+)", path)) and int(match[1]) in self.comments:
            if method == "PATCH":
                self.edit(int(match[1]), BOT["login"], json.loads(body)["body"])
            return 200, {}, self._comment(self.comments[int(match[1])])
        if match := re.fullmatch(r"actions/workflows/([\w.\-]+)/runs", path):
            by = {"head_branch": told["branch"]} if "branch" in told else {"head_sha": told["head_sha"]}
            asked = {"path": f".github/workflows/{match[1]}", "event": told["event"], **by}
            found = [one for one in reversed(self.runs) if asked.items() <= one.items()]
            size, page = int(told["per_page"]), int(told.get("page", "1"))
            shown = [self._run(one) for one in found[(page - 1) * size : page * size]]
            return 200, {}, {"total_count": len(found), "workflow_runs": shown}
        if re.fullmatch(r"compare/\w+\.\.\.\w+", path):
            example = self.contract.example("repos/compare-commits")
            return 200, {}, example | {"files": [{**example["files"][0], **one} for one in self.files]}
        if path == "actions/artifacts":
            found = [one for one in reversed(self.artifacts) if one["name"] == told["name"]]
            size, page = int(told["per_page"]), int(told.get("page", "1"))
            shown = found[(page - 1) * size : page * size]
            return 200, {}, {"total_count": len(found), "artifacts": [self._artifact(one) for one in shown]}
        if match := re.fullmatch(r"actions/artifacts/(\d+)/zip", path):
            return 302, {"Location": f"http://127.0.0.1:{self.storage_port}/storage/{match[1]}"}, None
        return 404, {}, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}

    storage_port: int = 1

    def _page(self, path: str, entries: list[Any], told: dict[str, str]) -> tuple[int, dict[str, str], Any]:
        size, page = int(told.get("per_page", "30")), int(told.get("page", "1"))
        more = {}
        if page * size < len(entries):
            following = self._url(f"{path}?per_page={size}&page={page + 1}")
            more["Link"] = f'<{following}>; rel="next", <{following}>; rel="last"'
        return 200, more, entries[(page - 1) * size : page * size]

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.storage_port}/repos/{NAME}/{path}"

    def _account(self, who: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if who is None else {**self.contract.example("pulls/get", "user"), **who}

    def _comment(self, made: dict[str, Any]) -> dict[str, Any]:
        example = self.contract.example("issues/list-comments", 0)
        example |= {"issue_url": self._url(f"issues/{NUMBER}"), "node_id": f"IC_{made['id']}"}
        return {**example, **made, "user": self._account(made["user"])}

    def _graphql_asked(self, method: str, headers: dict[str, str], body: bytes) -> None:
        """Raises Violation for what is not the one question that `test_github.py` holds to GitHub's own GraphQL schema."""
        asked = json.loads(body) if method == "POST" else {}
        ids = asked.get("variables", {}).get("ids")
        owner, _, name = NAME.partition("/")
        wanted = {"ids": ids, "owner": owner, "name": name, "number": NUMBER}
        whole = asked == {"query": EDITS_QUERY, "variables": wanted} and isinstance(ids, list)
        if not whole or not 1 <= len(ids) <= 100 or not all(isinstance(one, str) for one in ids):
            raise Violation(f"GitHub is not asked {method} /graphql like this: {body[:300]!r}")
        if not any(name.lower() == "user-agent" for name in headers):
            raise Violation("GitHub refuses requests without a User-Agent")

    def _closer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """As GitHub answers: null and an error for a comment that is gone."""
        nodes: list[dict[str, Any] | None] = []
        errors = []
        for one in asked["variables"]["ids"]:
            number = int(one.rpartition("_")[2])
            written = [
                self.comments.get(number),
                *(one for one in self.reviews + self.beside_lines if one["id"] == number),
            ]
            made = next((one for one in written if one is not None), None)
            if made is None:
                nodes.append(None)
                errors.append(
                    {"type": "NOT_FOUND", "message": f"Could not resolve to a node with the global id of '{one}'"}
                )
                continue
            by = self.editors.get(number)
            times = [made[name] for name in ("updated_at", "created_at", "submitted_at") if name in made]
            changed = by is not None or len(set(times)) > 1
            nodes.append({"lastEditedAt": times[0] if changed else None, "editor": by and {"login": by}})
        kinds = {one["filename"]: "RENAMED" if "previous_filename" in one else "MODIFIED" for one in self.files}
        shown = [{"path": one["filename"], "changeType": kinds[one["filename"]]} for one in self.files[:100]]
        pull = {"files": {"totalCount": len(self.files), "nodes": shown}, "reviews": {"totalCount": len(self.reviews)}}
        said = {"data": {"nodes": nodes, "repository": {"pullRequest": pull}}}
        return said | ({"errors": errors} if errors else {})

    def _pull(self) -> dict[str, Any]:
        example = self.contract.example("pulls/get")
        example |= {"requested_teams": [], "number": NUMBER, "user": self._account(user(self.author))}
        example |= {name: self.pull[name] for name in ("state", "merged", "draft")}
        example |= {"commits": len(self.commits), "changed_files": len(self.files)}
        example["head"] |= {"sha": self.head, "ref": "better"}
        example["head"]["repo"]["id"] = self.pull["head_repository"]
        example["base"]["ref"] = self.pull["base"]
        example["base"]["repo"] |= {"id": REPOSITORY, "default_branch": "main"}
        return example

    def _commit(self, made: dict[str, Any]) -> dict[str, Any]:
        example = self.contract.example("pulls/list-commits", 0)
        example |= {"sha": made["sha"], "author": self._account(made["author"])}
        example |= {"committer": self._account(made["committer"])}
        committer = {**made["by"], "email": made.get("signer", made["by"]["email"])}
        example["commit"] |= {"author": made["by"], "committer": committer, "message": made["message"]}
        example["commit"]["verification"] |= {"verified": made.get("verified", False)}
        example["parents"] = [{**example["parents"][0], "sha": sha} for sha in made.get("parents", ["f" * 40])]
        return example

    def _review(self, made: dict[str, Any]) -> dict[str, Any]:
        example = self.contract.example("pulls/list-reviews", 0)
        url = f"https://github.com/{NAME}/pull/{NUMBER}#pullrequestreview-{made['id']}"
        node = f"PRR_{made['id']}"
        return {**example, **made, "user": self._account(made["user"]), "html_url": url, "node_id": node}

    def _run(self, made: dict[str, Any]) -> dict[str, Any]:
        example = self.contract.example("actions/list-workflow-runs", "workflow_runs", 0)
        example |= {"status": "completed", "conclusion": "success", **made}
        example |= {name: self._account(made[name]) for name in ("actor", "triggering_actor")}
        example["repository"]["id"] = REPOSITORY
        example["head_repository"]["id"] = made.get("head_repository", REPOSITORY)
        return example

    def _artifact(self, made: dict[str, Any]) -> dict[str, Any]:
        example = self.contract.example("actions/list-artifacts-for-repo", "artifacts", 0)
        run = made["run"]
        example |= {name: made[name] for name in ("id", "name", "expired", "size_in_bytes", "digest")}
        example["workflow_run"] = {
            "id": run["id"],
            "repository_id": made["repository_id"],
            "head_repository_id": made["head_repository_id"],
            "head_branch": run["head_branch"],
            "head_sha": run["head_sha"],
        }
        return example
