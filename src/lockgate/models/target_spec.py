"""`target:` of a pipeline: where a model answers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, SecretStr, Tag, model_validator

from lockgate.config import Config, Duration
from lockgate.errors import guess
from lockgate.models.load_spec import Rate

PLACEHOLDERS = ("$rows", "$records", "$columns", "$by_column", "$row", "$record")
_ONE_ROW = ("$row", "$record")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _url(text: str) -> str:
    """Validate the address of a server; errors do not repeat it, because it may hold a password."""
    if "${" in text:
        return text  # its variables are only known when it runs
    try:
        parts = urlsplit(text)
        valid = (
            text.isascii()
            and parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("an address of a server is needed, such as http://127.0.0.1:8080")
    if parts.query or parts.fragment:
        raise ValueError("an address of a server ends before ? and #; write the rest as path:")
    return text.rstrip("/")


def _path(text: str) -> str:
    if not text.startswith("/") or "#" in text or not text.isascii() or any(sign.isspace() for sign in text):
        raise ValueError("a path begins with /, and holds no # and no spaces; other signs are written %C3%BC")
    return text


def _header(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not (text.isascii() and text.isprintable()):
        raise ValueError("the value of a header is plain ASCII on one line")
    return value


def _headers(headers: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
    for name in headers:
        if not _HEADER.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header; write letters, digits and dashes")
        if name.lower() in ("content-type", "content-length", "host", "transfer-encoding", "connection"):
            raise ValueError(f"the header {name} is ours to write")
    return headers


def _limit(rate: float) -> float:
    if not 0 < rate < math.inf:
        raise ValueError("a rate is more than none, such as 50/s")
    return rate


Limit = Annotated[Rate, AfterValidator(_limit)]
Url = Annotated[str, AfterValidator(_url)]
UrlPath = Annotated[str, AfterValidator(_path)]
HeaderValue = Annotated[SecretStr, AfterValidator(_header)]
Headers = Annotated[dict[str, HeaderValue], AfterValidator(_headers)]
HostName = Annotated[str, Field(pattern=r"^([A-Za-z0-9._\-]+|[0-9A-Fa-f:.]+)$")]
Part = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]*$")]


class ByRole(Config):
    """A name that is not the same for candidate and champion."""

    candidate: Part = Field(description="Its name for the candidate.")
    champion: Part | None = Field(default=None, description="Its name for the champion; the candidate's by default.")


Named = Annotated[
    ByRole,
    BeforeValidator(
        lambda value: {"candidate": value, "champion": value} if isinstance(value, str) else value,
        json_schema_input_type=Part | ByRole,
    ),
]


class Serve(Config):
    """A server that we start from the version's files, on a free port of this machine, and end."""

    serve: Literal["mlflow"] = Field(description="What is started: `mlflow models serve`.")
    ready: Duration = Field(default=timedelta(minutes=3), description="How long it may take to start.")
    timeout: Duration = Field(default=timedelta(seconds=60), description="How long one answer may take.")


class Server(Config):
    """Servers that somebody else runs, one for the candidate and one for the champion."""

    protocol: Literal["mlflow", "v2", "v1", "json"] = Field(
        description="What the servers speak: MLflow's `/invocations`, KServe's v2 or v1, or JSON as `body` and `output` "
        "say."
    )
    candidate: Url = Field(description="Address of the candidate's server, such as `http://127.0.0.1:8080`.")
    champion: Url | None = Field(default=None, description="Address of the champion's server.")
    model: Named | None = Field(
        default=None, description="Name of the model in the path of v2 and v1; one for both, or one for each role."
    )
    version: Named | None = Field(
        default=None, description="Its version in the path of v2 and v1; one for both, or one for each role."
    )
    tensor: str | None = Field(
        default=None, min_length=1, description="v2 only: all columns are sent as one tensor of this name."
    )
    path: UrlPath | None = Field(default=None, description="Path of the request, instead of the protocol's own.")
    health: UrlPath | None = Field(default=None, description="Path that answers 2xx when the server is ready.")
    headers: Headers = Field(
        default_factory=dict, description='Headers of each request, such as `{Authorization: "Bearer ${TOKEN}"}`.'
    )
    body: Any = Field(
        default=None,
        description="json only: what is sent; `$rows`, `$records`, `$columns`, `$by_column`, `$row`, `$record` stand for "
        "the rows.",
    )
    output: str | None = Field(
        default=None, min_length=1, description="json only: where in the answer the predictions are."
    )
    ca: str | None = Field(
        default=None,
        min_length=1,
        description="File of the certificate authority that the server's certificate is checked with.",
    )
    hosts: tuple[HostName, ...] | None = Field(
        default=None,
        min_length=1,
        description="Hosts beyond this machine that rows may be sent to, such as `[models.example.org]`. By default those that "
        "the addresses spell out; one that a variable chooses must be named here.",
    )
    rate: Limit | None = Field(
        default=None,
        description="Most rows that each server is sent in a time, such as `50/s`; a recorded request is a row. No limit by "
        "default.",
    )
    ready: Duration = Field(default=timedelta(seconds=30), description="How long to wait for the servers to be ready.")
    timeout: Duration = Field(default=timedelta(seconds=60), description="How long one answer may take.")

    @model_validator(mode="after")
    def _keys_of_the_protocol(self) -> Server:
        for keys, protocols in (
            (("body", "output"), ("json",)),
            (("model", "version"), ("v2", "v1")),
            (("tensor",), ("v2",)),
        ):
            for key in keys:
                if getattr(self, key) is not None and self.protocol not in protocols:
                    raise ValueError(f"{key} is for protocol: {' and '.join(protocols)}, and this is {self.protocol}")
        if self.protocol == "json":
            _check_body(self.body)
            if self.path is None:
                raise ValueError("protocol: json needs a path, such as path: /predict")
        return self

    @property
    def one_row(self) -> bool:
        """Whether a request holds one row, because the body says `$row` or `$record`."""
        return any(text in _ONE_ROW for text in _texts(self.body))

    def url(self, role: str) -> str | None:
        """Address of the role's server, None where the pipeline names none."""
        return self.candidate if role == "candidate" else self.champion

    def named(self, key: Literal["model", "version"], role: str) -> str | None:
        """Name of the model or of its version in the path; the champion's is the candidate's where it has none."""
        names: ByRole | None = getattr(self, key)
        return None if names is None else names.candidate if role == "candidate" else names.champion or names.candidate


def without_credentials(url: str) -> str:
    """Return an address without what may be secret in it: user, password, query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _texts(body: Any) -> Iterator[str]:
    if isinstance(body, str):
        yield body
    for below in body.values() if isinstance(body, dict) else body if isinstance(body, list) else ():
        yield from _texts(below)


def _check_body(body: Any) -> None:
    """Raise ValueError for a body that sends no rows, or an unknown placeholder."""
    placeholders = [text for text in _texts(body) if text.startswith("$") and not text.startswith("$$")]
    for text in placeholders:
        if text not in PLACEHOLDERS:
            names = ", ".join(PLACEHOLDERS)
            raise ValueError(f"body: {text!r} stands for nothing; known: {names}; a $ of one's own is written $$"
                             + guess(text, PLACEHOLDERS))  # fmt: skip
    if not set(placeholders) - {"$columns"}:
        raise ValueError("protocol: json needs a body that holds the rows, such as body: {rows: $records}")
    if any(text in _ONE_ROW for text in placeholders) and {*placeholders} - {*_ONE_ROW, "$columns"}:
        raise ValueError("body: $row and $record are one row a request; $rows, $records and $by_column are all of them")


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "Serve" if "serve" in value else "Server"
    return type(value).__name__ if isinstance(value, Serve | Server) else "process"


Target = Annotated[
    Annotated[Literal["process"], Tag("process")] | Annotated[Serve, Tag("Serve")] | Annotated[Server, Tag("Server")],
    Discriminator(_kind),
]
