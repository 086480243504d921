"""Whoever asked is told after the fact, and nothing that goes wrong with that changes anything."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from helpers.hooks import Hook
from helpers.promoting import CI, NOW, evidence
from helpers.web import closed_port
from lockgate.integrations import webhooks as notify
from lockgate.integrations.webhooks import Notice, send
from lockgate.pipeline.notification_spec import Notify
from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.entry import Entry
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.ledger.standing import Standing
from lockgate.promotion.outcome import Outcome

LINKS = {"run": "https://github.com/acme/models/actions/runs/7"}
ABOUT = evidence("fraud", "7")


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


def entry(kind: Any = "promoted", **more: Any) -> Entry:
    fields: dict[str, Any] = {"source": "6", "target": "7", "actor": CI, "evidence": ABOUT.digest, "at": NOW}
    fields |= {"reason": "approved by ana", "lease": PromotionPolicy().lease}
    return Chain().draft(kind, **{**fields, **more})


def moved(kind: Any = "promoted", **more: Any) -> Notice:
    notice = Notice.moved(Outcome("fraud", entry(kind, **more), Standing()), ABOUT, LINKS)
    assert notice is not None
    return notice


def sent(hook: Hook, notice: Notice | None = None, *, slept: list[float] | None = None, **more: Any) -> list[str]:
    """The lines about what could not be sent to `/services/t0ken`."""
    asked = Notify.model_validate({"webhook": "${HOOK}", "on": ["promoted"], **more})
    environ = {"HOOK": f"{hook.url}/services/t0ken", "KEY": "s3cret", "TOKEN": "abc"}
    naps: list[float] = [] if slept is None else slept
    return send([asked], notice or moved(), environ=environ, sleep=naps.append)


def test_one_short_document_is_posted(hook: Hook) -> None:
    """All that is sent is here; the sentence is what chats show."""
    assert sent(hook) == []
    ((path, headers, body),) = hook.got
    assert path == "/services/t0ken"
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert notify.SIGNATURE not in headers
    assert json.loads(body) == {
        "schema": "lockgate/notice/v1",
        "text": "fraud version 7 is Production in place of version 6 (ci (unverified)): approved by ana "
        "https://github.com/acme/models/actions/runs/7",
        "event": "promoted",
        "kind": "promoted",
        "model": "fraud",
        "version": "7",
        "from": "6",
        "digest": ABOUT.digest,
        "verdict": "pass",
        "actor": CI.to_json(),
        "reason": "approved by ana",
        "at": "2026-11-21T12:00:00.000Z",
        "links": LINKS,
    }


def test_it_is_signed_and_carries_headers_where_that_is_asked(hook: Hook) -> None:
    """The receiver recomputes the signature over the bytes that arrived."""
    assert sent(hook, secret="${KEY}", headers={"Authorization": "Bearer ${TOKEN}"}) == []
    ((_, headers, body),) = hook.got
    assert headers["X-Lockgate-Signature-256"] == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["Authorization"] == "Bearer abc"


def test_only_who_asked_for_an_event_is_told(hook: Hook) -> None:
    """A rollback is no promotion."""
    assert sent(hook, moved("rolled_back")) == []
    assert hook.got == []


@pytest.mark.parametrize(
    ("answers", "asked", "said"),
    [
        ([500, 503, 200], 3, None),
        ([429, 200], 2, None),
        ([500], 3, "127.0.0.1 answered 500, tried 3 times"),
        ([404], 1, "127.0.0.1 answered 404"),
        ([302], 1, "127.0.0.1 answered 302, and redirects are not followed"),
        ([307], 1, "127.0.0.1 answered 307, and redirects are not followed"),
    ],
)
def test_what_can_help_is_tried_again_and_the_rest_is_a_line(
    hook: Hook, answers: list[int | None], asked: int, said: str | None
) -> None:
    """Without the path, which is the secret of most webhooks; a redirect is never followed."""
    hook.answers = answers
    slept: list[float] = []

    assert sent(hook, slept=slept) == ([] if said is None else [f"not notified of promoted: {said}"])
    assert [path for path, _, _ in hook.got] == ["/services/t0ken"] * asked
    assert slept == [1.0, 2.0][: asked - 1]


def test_a_server_that_never_answers_holds_nothing_up(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every try ends by itself."""
    monkeypatch.setattr(notify, "_SECONDS", 0.2)
    hook.answers = [None]
    (line,) = sent(hook)

    assert line.startswith("not notified of promoted: 127.0.0.1 gave no answer")
    assert line.endswith("tried 3 times")
    assert "t0ken" not in line


def test_nobody_there_and_nothing_set_are_lines_too(hook: Hook) -> None:
    """A closed port, a variable that this job does not have, an address that the variable should not hold."""
    asked = Notify.model_validate({"webhook": "${HOOK}", "on": ["promoted"]})
    told = {
        value: send([asked], moved(), environ={"HOOK": value} if value else {}, sleep=lambda _: None)
        for value in (f"http://127.0.0.1:{closed_port()}/t0ken", "", "http://hooks.example.org/t0ken", "t0ken\nx")
    }

    assert [lines[0].removeprefix("not notified of promoted: ") for lines in told.values()] == [
        "127.0.0.1 gave no answer (ConnectionError), tried 3 times",
        "the variable HOOK is not set here",
        "its webhook must begin with https://",
        "its webhook is no address; write one like https://hooks.example.org/gate",
    ]
    assert "t0ken" not in str(list(told.values()))


@pytest.mark.parametrize(
    ("kind", "event", "text"),
    [
        ("promoted", "promoted", "fraud version 7 is Production in place of version 6 (ci (unverified)): approved by ana"),
        ("rolled_back", "rolled_back", "fraud version 7 is Production again in place of version 6 (ci (unverified)): approved by ana"),
    ],
)  # fmt: skip
def test_the_sentence_says_what_happened(kind: str, event: str, text: str) -> None:
    """One for each event."""
    notice = replace(moved(kind), links={})

    assert (notice.event, notice.kind, notice.text) == (event, kind, text)
    overridden = replace(notice, kind="override")
    assert overridden.text.startswith("fraud version 7 is Production in place of version 6, by override (")


def test_what_moved_nothing_is_not_told() -> None:
    """What was so already, or is no move; evidence of something else lends no verdict."""
    already = Outcome("fraud", entry(), Standing(), already=True)

    assert Notice.moved(already, ABOUT, {}) is None
    assert Notice.moved(Outcome("fraud", entry("archived"), Standing()), ABOUT, {}) is None
    assert moved(evidence="sha256:" + "0" * 64).verdict is None


def test_waiting_names_the_digest_to_sign() -> None:
    """To be copied as it stands."""
    notice = Notice.waiting(
        evidence("fraud", "8", verdict="inconclusive", opens="by_owner", asks=["a", "b"]), NOW, LINKS
    )

    assert notice.text == (
        "fraud version 8 waits for sign-off (inconclusive): 2 undecided findings to be accepted "
        f"— {notice.digest} https://github.com/acme/models/actions/runs/7"
    )
    assert json.loads(notice.bytes)["actor"] is None


def test_what_people_wrote_calls_nobody_and_links_nowhere() -> None:
    """No mention, no link, no markup of a chat; the document has the words as they are."""
    notice = replace(moved(reason="<!channel> @here see https://evil.example\n" + "x" * 900), links={})

    assert "<!channel>" not in notice.text
    assert "@here" not in notice.text
    assert "https://evil" not in notice.text
    assert "\n" not in notice.text
    assert len(notice.text) < 700
    assert json.loads(notice.bytes)["reason"].startswith("<!channel> @here see https://evil.example xxx")
