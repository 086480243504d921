"""What is asked of GitHub is what GitHub describes; what it answers is read strictly; the token goes nowhere else."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from jsonschema import Draft7Validator

from helpers.hub.contract import Violation, github
from helpers.hub.deciding import asked
from helpers.hub.emulator import NAME, NUMBER, Answer, World, user
from helpers.hub.published import EVENTS, GRAPHQL, SCHEMAS, published
from helpers.hub.served import TOKEN, Served, directly
from lockgate.integrations.github.client import EDITS_QUERY, GitHub
from lockgate.integrations.github.pull_request_state import read_state
from lockgate.integrations.github.schema import CommentEvent, GitHubError, parse

MARKER = "<!-- gate:v1 100/12/fraud -->"


@pytest.fixture
def served() -> Iterator[Served]:
    """Every request of these tests is held to GitHub's description; one that is not fails the test."""
    here = Served(World(github()))
    yield here
    here.close()
    assert here.violations == []


def test_everything_that_a_decision_needs_is_asked_as_github_describes(served: Served) -> None:
    """Over HTTP, both ways held to the description: path, parameters, headers and body; status and schema."""
    world = served.world
    world.files = [{"filename": "models/new", "previous_filename": "models/old"}]
    world.comment("ana", f"/gate approve {world.run_gate().digest}")
    world.keep(b"")

    decision = read_state(served.client(), NUMBER).decision(asked(), world.now)

    assert decision.state == "approved"
    assert world.contract.seen >= {
        "pulls/get",
        "issues/list-comments",
        "pulls/list-commits",
        "pulls/list-files",
        "actions/list-workflow-runs",
        "actions/list-artifacts-for-repo",
        "actions/download-artifact",
    }


def test_what_is_asked_over_graphql_is_what_githubs_schema_has() -> None:
    """The one question that we ask; a field that is not there is noticed."""
    from graphql import build_schema, parse, validate

    schema = build_schema(published(GRAPHQL), assume_valid=True)

    assert validate(schema, parse(EDITS_QUERY)) == []
    assert validate(schema, parse(EDITS_QUERY.replace("lastEditedAt", "editedAt"))) != []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"data": {"nodes": [], "repository": None}}, "incomplete"),
        ({"data": None, "errors": [{"message": f"no rights for {TOKEN}"}]}, r"no rights for \*\*\*"),
        ({"data": {"nodes": [{"lastEditedAt": None}], "repository": None}}, "editor: is missing"),
        ({"data": {"nodes": [{"lastEditedAt": None, "editor": None}]}}, "repository: is missing"),
        ({"message": "rate limit"}, "incomplete"),
        ([], "another shape"),
    ],
)
def test_an_answer_that_does_not_tell_of_edits_is_an_error(served: Served, answer: Any, said: str) -> None:
    """Nobody is believed on half an answer."""
    world = served.world
    world.comment("ana", f"/gate approve {world.run_gate().digest}")
    world.fault = lambda method, target: (200, {}, json.dumps(answer).encode()) if target == "/graphql" else None

    with pytest.raises(GitHubError, match=said):
        read_state(served.client(), NUMBER)


@pytest.mark.parametrize("moved", [False, True])
def test_files_are_told_along_unless_one_was_moved(served: Served, moved: bool) -> None:
    """From where a file came only the REST API says; it is asked then."""
    world = served.world
    world.files = [{"filename": "models/x", **({"previous_filename": "gates/fraud.yaml"} if moved else {})}]
    world.comment("ana", f"/gate approve {world.run_gate().digest}")

    found = read_state(served.client(), NUMBER)

    assert [one.paths for one in found.files] == [("models/x", "gates/fraud.yaml") if moved else ("models/x",)]
    assert any("/files" in one for one in world.asked) is moved
    assert found.decision(asked(), world.now).code == ("needs_policy_review" if moved else "approved")


def test_a_server_without_graphql_is_believed_by_its_times(served: Served) -> None:
    """A 404 there says that nobody has it; anything else that is no answer is an error."""
    world = served.world
    world.comment("ana", f"/gate approve {world.run_gate().digest}")
    world.fault = lambda method, target: (404, {}, b"{}") if target == "/graphql" else None

    assert read_state(served.client(), NUMBER).decision(asked(), world.now).state == "approved"


def test_a_github_enterprise_server_is_asked_at_its_own_place() -> None:
    """Its REST API lies below /api/v3, its GraphQL beside that."""
    seen: list[str] = []

    class Session(requests.Session):
        def request(self, method: str, url: str, **_: Any) -> Any:  # type: ignore[override]
            seen.append(f"{method} {url}")
            raise requests.ConnectionError

    served = Served(World(github()))
    pull = served.client().pull(NUMBER)
    served.close()
    for api in ("https://git.example.org/api/v3", "https://api.github.com"):
        with pytest.raises(GitHubError, match="did not answer"):
            GitHub(NAME, TOKEN, api=api, session=Session()).edits_and_files(pull, ())

    assert seen == ["POST https://git.example.org/api/graphql", "POST https://api.github.com/graphql"]


def test_the_contract_notices_what_github_would_not_take() -> None:
    """Or the tests that rest on it could not fail."""
    contract = github()
    headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28", "User-Agent": "x"}
    sent = {**headers, "Content-Type": "application/json"}
    for method, target, given, body in (
        ("GET", "/repos/a/b/pulls/x", headers, b""),
        ("GET", "/repos/a/b/pulls/1?speed=1", headers, b""),
        ("GET", "/repos/a/b/issues/1/comments?per_page=lots", headers, b""),
        ("GET", "/repos/a/b/pulls/1", {}, b""),
        ("GET", "/repos/a/b/nothing", headers, b""),
        ("DELETE", "/repos/a/b/pulls/1", headers, b""),
        ("POST", "/repos/a/b/issues/1/comments", sent, b"{}"),
        ("POST", "/repos/a/b/issues/1/comments", sent, b'{"body": 7}'),
        ("POST", "/repos/a/b/issues/1/comments", headers, b'{"body": "x"}'),
    ):
        with pytest.raises(Violation):
            contract.request(method, target, given, body)
    operation = contract.request("GET", "/repos/a/b/issues/1/comments", headers, b"")
    example = contract.example("issues/list-comments")
    contract.answer(operation, 200, json.dumps(example).encode())
    for name, value in (("id", "1"), ("body", 7), ("user", 7)):
        with pytest.raises(Violation):
            contract.answer(operation, 200, json.dumps([{**example[0], name: value}]).encode())
    del example[0]["updated_at"]
    with pytest.raises(Violation, match="updated_at"):
        contract.answer(operation, 200, json.dumps(example).encode())
    with pytest.raises(Violation, match="never answers 204"):
        contract.answer(operation, 204, b"")


@pytest.mark.parametrize("action", ["created", "edited", "deleted"])
def test_githubs_own_events_are_read(action: str) -> None:
    """Its examples are of plain issues; with the address of a pull request they still fit its own schema."""
    events = {one["name"]: one["examples"] for one in published(EVENTS)}
    told = next(one for one in reversed(events["issue_comment"]) if one["action"] == action)
    opened = next(one for one in reversed(events["pull_request"]) if one["action"] == "opened")
    urls = {name: opened["pull_request"][name] for name in ("url", "html_url", "diff_url", "patch_url")}
    told = {**told, "issue": {**told["issue"], "pull_request": urls}}
    schema = published(SCHEMAS)
    rule = {"$ref": f"#/definitions/issue_comment${action}", "definitions": schema["definitions"]}

    event = parse(CommentEvent, json.dumps(told).encode(), source="the event")

    assert [error.message for error in Draft7Validator(rule).iter_errors(told)] == []
    assert (event.action, event.comment.id) == (action, told["comment"]["id"])
    assert event.previous_body == (
        None
        if action == "created"
        else told["comment"]["body"]
        if action == "deleted"
        else told["changes"]["body"]["from"]
    )


@pytest.mark.parametrize(
    ("path", "place"),
    [(("head", "sha"), "head.sha"), (("user", "id"), "user.id"), (("base", "repo", "id"), "base.repo.id"), (("merged",), "merged")],
)  # fmt: skip
def test_an_answer_without_a_field_that_counts_names_it(served: Served, path: tuple[str, ...], place: str) -> None:
    """And one with fields that nobody knows is read."""
    told = served.world._pull() | {"brand_new": True}
    read_back = served.client().pull(NUMBER)
    inner: Any = told
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    served.world.fault = lambda method, target: (200, {}, json.dumps(told).encode())

    with pytest.raises(GitHubError, match=f"{place}: is missing"):
        served.client().pull(NUMBER)
    assert read_back.number == NUMBER


def failing(times: int, answer: Answer) -> Callable[[str, str], Answer | None]:
    left = iter(range(times))
    return lambda method, target: answer if next(left, None) is not None else None


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_read_is_tried_again_where_that_helps(served: Served, status: int) -> None:
    """As long as GitHub asks for, else twice as long each time."""
    served.world.fault = failing(2, (status, {"Retry-After": "7"} if status == 429 else {}, b"{}"))
    client = served.client()

    assert client.pull(NUMBER).number == NUMBER
    assert served.waits == ([7.0, 7.0] if status == 429 else [1.0, 2.0])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((401, {}, b'{"message": "Bad credentials"}'), "401: Bad credentials"),
        ((403, {}, b'{"message": "Resource not accessible"}'), "403: Resource not accessible"),
        ((404, {}, b'{"message": "Not Found"}'), "404: Not Found"),
        ((500, {}, b"<html>"), "500"),
        ((503, {}, b""), "503"),
        ((429, {"Retry-After": "3600"}, b"{}"), "429"),
        ((403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"}, b"{}"), "403"),
        ((301, {"Location": "http://127.0.0.1:9/"}, b""), "301"),
        ((302, {"Location": "http://127.0.0.1:9/"}, b""), "302"),
        ((200, {}, b"<!DOCTYPE html><html>"), "has another shape than GitHub documents"),
        ((200, {}, b'{"number": 12, "sta'), "has another shape than GitHub documents"),
        ((200, {}, b"null"), "has another shape than GitHub documents"),
        ((200, {}, b"[" * 5000), "has another shape than GitHub documents"),
        ((403, {}, f'{{"message": "{TOKEN}\\u001b[31m\\n::error::x"}}'.encode()), "403"),
    ],
)
@pytest.mark.parametrize(
    "call", ["pulls/12", "comments?", "commits?", "files?", "runs?", "artifacts?", "/zip", "/graphql"]
)
def test_35_a_failure_at_any_call_is_an_error_and_decides_nothing(
    served: Served, call: str, answer: Answer, why: str
) -> None:
    """Neither a yes nor a no; the token is in no message, nor is what would move a terminal."""
    world = served.world
    world.files = [{"filename": "models/new", "previous_filename": "models/old"}]  # so that the list of files is asked
    world.comment("ana", f"/gate approve {world.run_gate().digest}")
    if call == "/graphql" and answer[0] == 404:  # a server without GraphQL: `test_a_server_without_graphql_…`
        call = "files?"
    if call == "/zip" and (answer[0] in (200, 302)):
        why = "200" if answer[0] == 200 else "did not answer"
    world.fault = lambda method, target: (
        answer if call in target and not (call == "pulls/12" and target.count("/") > 5) else None
    )

    with pytest.raises(GitHubError, match=why) as caught:
        read_state(served.client(), NUMBER)

    said = f"{caught.value!r} {caught.value} {caught.value.remedy}"
    assert TOKEN not in said
    assert "\x1b" not in said
    assert "\n" not in said


def test_35_a_server_that_is_gone_or_breaks_off_is_an_error(served: Served) -> None:
    """After as many tries as any other failure that may pass."""
    waits: list[float] = []
    with pytest.raises(GitHubError, match="did not answer"):
        GitHub(NAME, TOKEN, api="http://127.0.0.1:1", sleep=waits.append).pull(NUMBER)
    assert waits == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    "failure", [requests.ReadTimeout, requests.ConnectionError, requests.exceptions.ChunkedEncodingError]
)
@pytest.mark.parametrize(
    "call", ["pulls/12", "comments?", "commits?", "files?", "runs?", "artifacts?", "/zip", "/storage/", "/graphql"]
)
def test_35_a_call_that_ends_without_an_answer_is_an_error(call: str, failure: type[Exception]) -> None:
    """Late, cut or never there: tried as often as may help, and then nothing is decided; nothing is written."""
    world = World(github())
    world.files = [{"filename": "models/new", "previous_filename": "models/old"}]  # so that the list of files is asked
    world.comment("ana", f"/gate approve {world.run_gate().digest}")
    hub = directly(world)
    given: Any = hub._session.get_adapter("http://127.0.0.1:1")
    send = given.send
    tried = []

    def fail(request: requests.PreparedRequest, **more: Any) -> requests.Response:
        if call in str(request.url) and not (call == "pulls/12" and str(request.url).count("/") > 7):
            tried.append(request.method)
            raise failure("no answer")
        answer: requests.Response = send(request, **more)
        return answer

    given.send = fail

    with pytest.raises(GitHubError, match="did not answer"):
        read_state(hub, NUMBER)
    assert tried == (["POST"] if call == "/graphql" else ["GET"] * 4)


def test_34_a_list_that_goes_on_elsewhere_or_never_ends_is_an_error(served: Served) -> None:
    """Its next page is never followed to another host, and a part of it is never taken for the whole."""
    client, world = served.client(), served.world
    world.fault = lambda method, target: (200, {"Link": '<https://evil.example/x>; rel="next"'}, b"[]")
    with pytest.raises(GitHubError, match="another host"):
        client.comments(NUMBER)
    world.fault = lambda method, target: (200, {"Link": f'<{served.api}/x>; rel="next"'}, b"[]")

    with pytest.raises(GitHubError, match="there is more, and does not list it"):
        client.comments(NUMBER)
    page = json.dumps([world.comment("eve", "+1")["comment"]]).encode()
    world.fault = lambda method, target: (200, {"Link": f'<{served.api}/x>; rel="next"'}, page)
    with pytest.raises(GitHubError, match="there is more, and does not list it"):
        client.comments(NUMBER)
    assert client.request_count == 1 + 1 + 2


def test_fewer_commits_than_there_are_is_an_error(served: Served) -> None:
    """GitHub lists 250 at most; somebody who had a hand in it could be among the others."""
    pull = served.client().pull(NUMBER).model_copy(update={"commits": 251})

    with pytest.raises(GitHubError, match="has 251 commits, of which GitHub lists 1"):
        served.client().commits(pull)


def test_the_token_is_shown_to_the_api_and_not_where_an_artifact_lies(
    served: Served, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is anything else that the machine's .netrc would put there."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login eve password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    served.world.run_gate()

    read_state(served.client(), NUMBER)

    shown = dict(
        zip([line.split("?")[0].split("/")[1] for line in served.world.asked], served.world.shown_token, strict=True)
    )
    assert shown == {"repos": f"Bearer {TOKEN}", "storage": None}
    assert set(served.world.shown_token) == {f"Bearer {TOKEN}", None}


def test_an_artifact_that_lies_at_an_unsafe_address_is_not_fetched(served: Served) -> None:
    """Nor one that GitHub says has other bytes, nor one that is too long."""
    served.world.run_gate()
    for place in ("http://storage.example/1", "file:///etc/passwd", "", "//evil.example/x"):
        served.world.fault = lambda method, target, place=place: (  # type: ignore[misc]
            (302, {"Location": place}, b"") if target.endswith("/zip") else None
        )
        with pytest.raises(GitHubError, match="only https"):
            read_state(served.client(), NUMBER)
    served.world.fault = lambda method, target: None
    served.world.artifacts[-1]["size_in_bytes"] = 2**40
    with pytest.raises(GitHubError, match="too many"):
        read_state(served.client(), NUMBER)


@pytest.mark.parametrize(
    "api", ["http://api.github.com", "http://evil.example", "ftp://127.0.0.1", "api.github.com", ""]
)
def test_46_only_https_is_asked_but_on_this_machine(api: str) -> None:
    """A token on plain HTTP is everybody's."""
    with pytest.raises(GitHubError, match="only https"):
        GitHub(NAME, TOKEN, api=api)


@pytest.mark.parametrize(
    ("repository", "token"),
    [("models", TOKEN), ("a/b/c", TOKEN), ("a/../b", TOKEN), (NAME, ""), (NAME, "a\nb"), (NAME, "ä")],
)
def test_what_is_no_repository_or_no_token_is_refused(repository: str, token: str) -> None:
    """Before anything is asked."""
    with pytest.raises(GitHubError):
        GitHub(repository, token)


def test_an_enterprise_servers_address_keeps_its_path(served: Served) -> None:
    """`GITHUB_API_URL` of such a server ends in /api/v3."""
    seen: list[str] = []

    class Enterprise(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            data = json.dumps(served.world._pull()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Enterprise)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        client = GitHub(NAME, TOKEN, api=f"http://127.0.0.1:{server.server_address[1]}/api/v3/")
        assert client.pull(NUMBER).number == NUMBER
    finally:
        server.shutdown()
        server.server_close()
    assert seen == [f"/api/v3/repos/{NAME}/pulls/{NUMBER}"]


def test_42_one_comment_is_written_and_then_written_anew(served: Served) -> None:
    """Ours is what the Actions bot wrote; the marker in anybody else's comment means nothing, nor does an edit of ours."""
    world, client = served.world, served.client()
    world.comment("mallory", f"{MARKER}\napprove sha256:evil")
    world.comment("other", f"{MARKER}\nx", account={"login": "other[bot]", "id": 7, "type": "Bot"})
    world.comment("fake", f"{MARKER}\nx", account={**user("fake"), "login": "github-actions[bot]"})

    first = client.keep_comment(NUMBER, f"{MARKER}\none", marker=MARKER)
    world.edit(first.id, "mallory", f"{MARKER}\nsha256:evil")
    second = client.keep_comment(NUMBER, f"{MARKER}\ntwo", marker=MARKER)
    world.comment("github-actions[bot]", f"{MARKER}\nlater", account=world.comments[first.id]["user"])
    third = client.keep_comment(NUMBER, f"{MARKER}\ntwo", marker=MARKER)

    assert first.id == second.id == third.id
    assert world.comments[first.id]["body"] == f"{MARKER}\ntwo"
    assert len(world.comments) == 5
    assert [line.split()[0] for line in world.asked].count("PATCH") == 1


def test_a_comment_is_not_written_twice_when_the_answer_is_lost(served: Served) -> None:
    """It may be there; the next event writes it anew where it is not."""
    served.world.fault = lambda method, target: (503, {}, b"") if method == "POST" else None
    client = served.client()

    with pytest.raises(GitHubError, match="503"):
        client.add_comment(NUMBER, "hello")
    assert (client.request_count, served.waits) == (1, [])


def test_a_comment_that_may_not_be_written_says_so(served: Served) -> None:
    """With the status, so that a pull request from a fork can fall back to the summary."""
    served.world.fault = lambda method, target: (403, {}, b'{"message": "Resource not accessible by integration"}')

    with pytest.raises(GitHubError, match="not accessible") as caught:
        served.client().add_comment(NUMBER, "hello")
    assert caught.value.status == 403


def test_a_comment_that_is_too_long_is_not_sent(served: Served) -> None:
    """GitHub takes 65,536 characters; we stop earlier."""
    client = served.client()
    with pytest.raises(GitHubError, match="too long"):
        client.add_comment(NUMBER, "x" * 60_001)
    assert client.request_count == 0


def test_the_token_is_not_shown_by_a_client_that_prints_itself(served: Served) -> None:
    """As it stands in a traceback that shows locals."""
    assert TOKEN not in repr(served.client())
