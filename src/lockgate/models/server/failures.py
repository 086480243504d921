"""Messages and remedies for each way in which a server can fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from lockgate.errors import ModelFault
from lockgate.models.target_spec import without_credentials

BUSY = (429, 502, 503, 504)
_SCHEMES = ("bearer", "basic", "token")

Ended = Literal["cancelled", "slow", "large"]


class NoAnswer(Exception):
    """The connection was refused or broke. ours: why we ended it ourselves. tls: the server is not trusted."""

    def __init__(self, message: str, *, ours: Ended | None = None, tls: bool = False) -> None:
        super().__init__(message)
        self.ours = ours
        self.tls = tls


@dataclass(frozen=True)
class Call:
    """A request to a server. doing: as in `while predicting 500 rows`. seconds, mebibytes: the limits of its answer."""

    name: str
    where: str
    doing: str
    seconds: float
    mebibytes: int

    @property
    def who(self) -> str:
        return f"{self.name} at {self.where}"


def status_fault(call: Call, status: int, *, location: str | None, excerpt: str) -> ModelFault | None:
    """Return the fault of an answer that is not 2xx, `alive` where the next request may be answered; None for 2xx.

    excerpt: how the body begins, as the end of a sentence.
    """
    while_, alive = f"(status {status}) while {call.doing}", False
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        to = "" if location is None else f" to {without_credentials(location)}"
        message = f"answered with a redirect{to} {while_}; rows are not sent on"
        remedy = "name the address that answers itself"
    elif status in (401, 403):
        message = f"refused us {while_}{excerpt}"
        remedy = 'give it the header that it wants: headers: {Authorization: "Bearer ${TOKEN}"}'
    elif status in (404, 405):
        message = f"has nothing that takes a POST there {while_}{excerpt}"
        remedy = "look at protocol, path, model and version of target"
    elif status in BUSY:
        message = f"was too busy, or what is behind it is down {while_}{excerpt}"
        remedy = "no request is repeated; run again when the server is up"
    elif 400 <= status < 500:
        message, alive = f"refused the request {while_}{excerpt}", True
        remedy = "compare what is sent (docs/targets.md) with what the server expects"
    else:
        message, alive = f"broke {while_}{excerpt}", True
        remedy = "its own log says why"
    return ModelFault(f"{call.who} {message}", remedy=remedy, alive=alive)


def unreadable(call: Call, problem: str, *, excerpt: str) -> ModelFault:
    """Return the fault of an answer that is no JSON document. problem: what it is, `empty`."""
    return ModelFault(
        f"{call.who} answered with something that is {problem} while {call.doing}{excerpt}",
        remedy="look at protocol and path of target: is it the prediction that answers there?",
        alive=True,
    )


def no_answer_fault(call: Call, broken: NoAnswer) -> ModelFault:
    """Return the fault of a server that gave no whole answer."""
    if broken.ours == "cancelled":
        return ModelFault(f"{call.name} was cancelled while {call.doing}")
    if broken.ours == "slow":
        message = f"did not answer within {call.seconds:g} s while {call.doing}"
        remedy = "timeout: 5m in target waits longer"
    elif broken.ours == "large":
        message = f"answered with more than {call.mebibytes:,} MiB while {call.doing}"
        remedy = "let it answer with predictions only"
    elif broken.tls:
        message = f"is not trusted: {broken}"
        remedy = "name the certificates that it is signed with, ca: FILE in target"
    else:
        message = f"does not answer while {call.doing}: {broken}"
        remedy = "is it up, and the address right?"
    return ModelFault(f"{call.who} {message}", remedy=remedy)


def not_ready(call: Call, *, state: str) -> ModelFault:
    """Return the fault of a server that did not become ready in time."""
    return ModelFault(
        f"{call.who} was not ready within {call.seconds:g} s: {state}",
        remedy="is the server started, and the address right? ready: 2m waits longer",
    )


def never_ready(call: Call, *, state: str) -> ModelFault:
    """Return the fault of a server that waiting does not help."""
    return ModelFault(
        f"{call.who} is not called, because {state}", remedy="look at headers, health, model and version of target"
    )


def redactor(texts: Iterable[str]) -> Callable[[str], str]:
    """Return a function that puts a text on one line, without these secrets and the words in them.

    A server may quote a header, or one word of it, in an error. The longest goes first, so that no part of a longer secret
    stays; three characters or fewer would blot out ordinary text.
    """
    words = {word for text in texts for word in (text, *text.split())}
    secrets = sorted((word for word in words if len(word) > 3 and word.lower() not in _SCHEMES), key=len, reverse=True)

    def redact(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())

    return redact
