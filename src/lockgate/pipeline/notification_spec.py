"""The notification spec: `notify:` of a pipeline."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from lockgate.config import Config
from lockgate.models.target_spec import Headers

Event = Literal["waiting", "promoted", "rolled_back"]
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^{}]*)?\}")
_TOKEN = re.compile(r"[\w\-@.]{20,}|(?=[\w\-@.]*[0-9])[\w\-@.]{16,}")


def address_problem(text: str) -> str | None:
    """What is wrong with an address to post to, None where nothing is. Never repeat it: it may be a secret itself."""
    try:
        parts = urlsplit(text)
        fine = text.isascii() and text.isprintable() and " " not in text and bool(parts.hostname)
        fine = fine and (parts.port is None or parts.port > 0)
    except ValueError:
        fine = False
    if not fine:
        return "is no address; write one like https://hooks.example.org/gate"
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return "must begin with https://"
    return "must not hold a user or a password; write them as headers" if "@" in parts.netloc else None


def _webhook(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if "${" in text:
        return _with_variables(value)  # known only where it is sent
    if (wrong := address_problem(text)) is not None:
        raise ValueError(f"this {wrong}")
    parts = urlsplit(text)
    if parts.query or any(_TOKEN.fullmatch(part) for part in parts.path.split("/")):
        raise ValueError("this holds what may be a secret, and everybody can read a pipeline; write it as ${VARIABLE}")
    return value


def _secret(value: SecretStr) -> SecretStr:
    if "${" not in value.get_secret_value():
        raise ValueError("a secret is not written into a pipeline, which everybody can read; write it as ${VARIABLE}")
    return _with_variables(value)


def _with_variables(value: SecretStr) -> SecretStr:
    if "${" in _VARIABLE.sub("", value.get_secret_value()):
        raise ValueError("a variable is written ${NAME} or ${NAME:-default}")
    return value


def _distinct(events: tuple[Event, ...]) -> tuple[Event, ...]:
    if len(set(events)) < len(events):
        raise ValueError("names an event twice")
    return events


class Notify(Config):
    """Post a short JSON document to `webhook` after each of the events.

    Its variables are read where something is sent, and only there: jobs that send nothing need not have them.
    """

    webhook: Annotated[SecretStr, AfterValidator(_webhook)] = Field(
        description="Address to post to, https only; what is secret in it is written as `${VARIABLE}`."
    )
    on: Annotated[tuple[Event, ...], Field(min_length=1), AfterValidator(_distinct)] = Field(
        description="Events after which something is sent, such as `[waiting, promoted]`."
    )
    secret: Annotated[SecretStr, AfterValidator(_secret)] | None = Field(
        default=None,
        description="Signs what is sent, as the header X-Lockgate-Signature-256; written as `${VARIABLE}`.",
    )
    headers: Headers = Field(
        default_factory=dict, description='Further headers, such as `{Authorization: "Bearer ${HOOK_TOKEN}"}`.'
    )
