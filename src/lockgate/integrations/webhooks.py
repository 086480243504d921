"""Webhook notifications: a short JSON document about a model, posted to the addresses of the pipeline."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from lockgate.evidence.evidence import Evidence
from lockgate.evidence.record import Record
from lockgate.pipeline import variables
from lockgate.pipeline.notification_spec import Event, Notify, address_problem
from lockgate.promotion.outcome import Outcome
from lockgate.signoff.identity import Identity
from lockgate.text import counted, cut, html

SIGNATURE = "X-Lockgate-Signature-256"
_TRIES = 3
_SECONDS = 10.0  # of one attempt, whatever the server does
_REASON = 500
_EVENTS: Mapping[str, Event] = {"promoted": "promoted", "override": "promoted", "rolled_back": "rolled_back"}


@dataclass(frozen=True)
class Notice(Record):
    """One event of a model: no row of data, no measured value, no secret.

    kind: of the ledger's entry, which tells an override from a promotion. previous: the version that left Production.
    links: name → address, of a pull request or a CI run.
    """

    schema = "lockgate/notice/v1"
    renamed: ClassVar = {"previous": "from"}

    event: Event
    kind: str
    model: str
    version: str
    previous: str | None
    digest: str | None
    verdict: str | None
    actor: Identity | None
    reason: str
    at: datetime
    links: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def moved(cls, outcome: Outcome, evidence: Evidence | None, links: Mapping[str, str]) -> Notice | None:
        """The notice of a version that moved to Production; None where nothing moved now."""
        entry = outcome.entry
        if outcome.already or entry.kind not in _EVENTS or entry.target is None:
            return None
        verdict = evidence.verdict.value if evidence is not None and evidence.digest == entry.evidence else None
        return cls(
            _EVENTS[entry.kind], entry.kind, outcome.model, entry.target, entry.source, entry.evidence, verdict, entry.actor,
            entry.reason, entry.at, links,
        )  # fmt: skip

    @classmethod
    def waiting(cls, evidence: Evidence, at: datetime, links: Mapping[str, str]) -> Notice:
        """The notice of evidence that can be promoted once people sign it."""
        asks = len(evidence.asks)
        reason = f"{counted(asks, 'undecided finding')} to be accepted" if asks else "every requirement was met"
        return cls(
            "waiting", "waiting", evidence.model, str(evidence.candidate["version"]), None, evidence.digest,
            evidence.verdict.value, None, reason, at, links,
        )  # fmt: skip

    @property
    def text(self) -> str:
        """A sentence for people, which Slack, Mattermost and the like show as it is: no mention, no link of others."""
        by = "" if self.actor is None else f" ({self.actor})"
        instead = "" if self.previous is None else f" in place of version {self.previous}"
        event = {
            "waiting": f"version {self.version} waits for sign-off ({self.verdict})",
            "promoted": f"version {self.version} is Production{instead}{by}",
            "override": f"version {self.version} is Production{instead}, by override{by}",
            "rolled_back": f"version {self.version} is Production again{instead}{by}",
        }[self.kind]
        sentence = html(f"{cut(self.model, 200)} {event}: {cut(self.reason, _REASON)}")
        digest = [f"— {self.digest}"] if self.kind == "waiting" else []
        return " ".join([sentence, *digest, *self.links.values()])

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "text": self.text, "reason": cut(self.reason, _REASON)}


def send(
    notify: Iterable[Notify],
    notice: Notice,
    *,
    environ: Mapping[str, str],
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Post the notice to every webhook that subscribes to its event; returns a line for each that failed.

    environ: the variables of addresses, headers and secrets. Raises nothing that a server causes.
    """
    failures = (_post(spec, notice.bytes, environ, sleep) for spec in notify if notice.event in spec.on)
    return [f"not notified of {notice.event}: {failure}" for failure in failures if failure is not None]


def _post(spec: Notify, body: bytes, environ: Mapping[str, str], sleep: Callable[[float], None]) -> str | None:
    """Why it failed, without the address, whose path is often the secret; None where it arrived."""
    try:
        url = _read(spec.webhook, environ)
        headers = {name: _read(value, environ) for name, value in spec.headers.items()}
        key = None if spec.secret is None else _read(spec.secret, environ)
    except LookupError as error:
        return f"the variable {error.args[0]} is not set here"
    if (complaint := address_problem(url)) is not None:
        return f"its webhook {complaint}"
    if not all(value.isascii() and value.isprintable() for value in headers.values()):
        return "the value of a header is plain ASCII on one line"
    headers |= {"Content-Type": "application/json; charset=utf-8", "User-Agent": "lockgate"}
    if key is not None:
        headers[SIGNATURE] = f"sha256={hmac.new(key.encode(), body, hashlib.sha256).hexdigest()}"
    problem = ""
    for attempt in range(1, _TRIES + 1):
        status, failure = _try(url, body, headers)
        if status is not None and 200 <= status < 300:
            return None
        problem = f"{urlsplit(url).hostname} " + (failure or f"answered {status}")
        if status is not None and 300 <= status < 400:
            return f"{problem}, and redirects are not followed"
        if status is not None and status != 429 and status < 500:
            return problem
        if attempt < _TRIES:
            sleep(2.0 ** (attempt - 1))
    return f"{problem}, tried {_TRIES} times"


def _read(value: SecretStr, environ: Mapping[str, str]) -> str:
    return variables.filled(value.get_secret_value(), environ)


def _try(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int | None, str | None]:
    """(status, None) or (None, failure). The thread keeps to the time limit where a server answers byte by byte."""
    answer: dict[str, Any] = {}
    request = threading.Thread(target=_request, args=(url, body, headers, answer), daemon=True)
    request.start()
    request.join(_SECONDS)
    return answer.get("status"), answer.get("failure", f"gave no answer within {_SECONDS:.0f} s")


def _request(url: str, body: bytes, headers: Mapping[str, str], answer: dict[str, Any]) -> None:
    import requests
    from urllib3.exceptions import HTTPError

    try:
        with requests.post(
            url, data=body, headers=dict(headers), auth=_unchanged, timeout=(5, _SECONDS), stream=True, allow_redirects=False
        ) as response:  # fmt: skip
            answer["failure"], answer["status"] = None, response.status_code
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        answer["failure"] = f"gave no answer ({type(error).__name__})"


def _unchanged(request: Any) -> Any:
    """No credentials from a .netrc of the machine."""
    return request
