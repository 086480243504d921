"""MLflow's HTTP requests: how long each may take, which are repeated, and what it was that answered.

A 429, and a 503 that says when to come back, mean that nothing was done, so any request is repeated after them; after other
faults only what changes nothing twice. MLflow's own repetitions are off: they repeat every write, and wait without a limit.
"""

from __future__ import annotations

import html
import logging
import math
import os
import random
import re
import ssl
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from lockgate.errors import Denied, RegistryError, Unavailable
from lockgate.registries.mlflow.faults import CREDENTIALS, HTTPS, REACHABLE, Fault, fault_of, message, redacted
from lockgate.registries.mlflow.server_clock import note_date, seconds_of_date
from lockgate.text import cut

BUDGET = "LOCKGATE_REGISTRY_BUDGET_SECONDS"
BUDGET_SECONDS = 60.0
CONNECT_SECONDS = 10.0
READ_SECONDS = 5.0
WRITE_SECONDS = 25.0  # a server on SQLite may wait 20 s for its lock
FILE_SECONDS = 120.0  # a server may fetch a file from its own store before it sends the first byte

_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_TELL_SECONDS = 2.0
_PROBES = re.compile(r"/mlflow/server-(info|features)$|/mlflow-artifacts/(presigned|mpu)/")
_SIGN_IN = re.compile(r"sign.?in|log.?in|log.?on|single sign|\bsso\b|oauth|saml|authenticat", re.IGNORECASE)
_LET_IN = "give what it lets in (MLFLOW_TRACKING_TOKEN, or _USERNAME and _PASSWORD), or set registry.uri to an address behind it"
_AUTHORITIES = ("MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_SPEAKS_TLS = re.compile(r"plain HTTP|HTTP request (was sent )?to (an )?HTTPS", re.IGNORECASE)  # nginx, Apache, Go
_TITLE = re.compile(r"<title[^>]*>(.{0,200}?)</title", re.IGNORECASE | re.DOTALL)

log = logging.getLogger("lockgate.registries")


def budget() -> float:
    """Seconds for which a request is repeated where the server says when to come back; a third of it where it does not."""
    return _seconds(BUDGET) or BUDGET_SECONDS


_given_up: dict[str, float] = {}  # by address: when the last request was that was repeated in vain


def patience(address: str) -> float:
    """Seconds for which a request is repeated that got no answer: what is gone costs a command that time once, not for each request."""
    third = budget() / 3
    return 0.0 if time.monotonic() - _given_up.get(address, -math.inf) < third else third


def give_up(address: str) -> None:
    """Let what is asked of an address in the next seconds be asked once."""
    _given_up[address] = time.monotonic()


def answered(address: str) -> None:
    """Have patience with an address again."""
    _given_up.pop(address, None)


def pause(attempt: int) -> float:
    """Seconds before the next attempt, the first one being 0: longer each time, and not the same for everybody."""
    return min(8.0, 0.25 * 2.0**attempt) * random.uniform(0.7, 1.3)  # noqa: S311


class PatientSession(requests.Session):
    """A session that waits and repeats within the budget, and raises Fault for answers that are not MLflow's."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        url = request.url or ""
        path = urlsplit(url).path
        if _PROBES.search(path):
            return super().send(request, **options)
        if url.startswith("https:") and (unusable := _unusable_authorities(options.get("verify"))) is not None:
            raise unusable
        repeatable = request.method in ("GET", "HEAD", "PUT") or path.endswith("/search")
        began, attempt = time.monotonic(), 0
        while True:
            options["timeout"] = _timeout(path, reads=repeatable, again=attempt > 0)
            limited, after = False, None
            try:
                answer = super().send(request, **options)
                note_date(url, answer.headers.get("Date"))
                fault = _fault(answer, path)
                if fault is None:
                    answered(_origin(url))
                    return answer
                limited, after = _comes_back(answer)
                answer.close()
            except requests.RequestException as raised:
                fault = fault_of(raised)
            wait = 0.0 if after is not None and attempt == 0 else pause(attempt)
            wait = max(wait, (after or 0.0) * random.uniform(1.0, 1.1))  # noqa: S311
            most = budget() if limited else patience(_origin(url))
            again = limited or (fault.again and repeatable)
            if not again or time.monotonic() - began + wait > most:
                if again:
                    give_up(_origin(url))
                fault.again = False
                raise fault
            if wait >= _TELL_SECONDS:
                log.info("the registry at %s %s; trying again in %.0f s", _origin(url), fault.problem, wait)
            time.sleep(wait)
            attempt += 1
            if getattr(request, "_body_position", None) is not None:
                requests.utils.rewind_body(request)

    def rebuild_method(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        method = prepared_request.method
        super().rebuild_method(prepared_request, response)
        target = redacted(urljoin(response.url, response.headers.get("Location", "")))
        elsewhere = urlsplit(target).hostname != urlsplit(response.url).hostname
        if elsewhere and _SIGN_IN.search(target):
            raise Fault(Denied, f"redirects to {target}, where one signs in,", _LET_IN)
        if prepared_request.method != method:
            raise Fault(
                RegistryError,
                f"redirects to {target} by a {response.status_code}, which makes a {method} a {prepared_request.method}",
                f"set registry.uri to where it redirects: {_origin(target)}",
            )
        if elsewhere and "artifact" not in urlsplit(response.url).path:  # files may lie in a bucket
            problem = f"redirects to {target}, another host, which is not followed,"
            raise Fault(
                RegistryError, problem, f"set registry.uri to where MLflow is: {_origin(target)}, if that is it"
            )


def install() -> None:
    """Let MLflow send what it asks of its servers through our session; what has retries of its own keeps those."""
    from mlflow.utils import request_utils

    plain = request_utils._get_request_session

    @lru_cache(maxsize=1)
    def patient(pid: int) -> PatientSession:
        session = PatientSession()
        session.adapters = plain(0, 0, 0, frozenset(), False, False).adapters  # noqa: FBT003
        return session

    def chosen(max_retries: int, *limits: Any, **options: Any) -> requests.Session:
        return plain(max_retries, *limits, **options) if max_retries else patient(os.getpid())

    request_utils._get_request_session = chosen


@lru_cache
def _unusable_authorities(verify: bool | str | None) -> Fault | None:
    """Why a file, or a folder, of certificates cannot be used. verify: as requests takes it."""
    if not isinstance(verify, str):
        return None
    try:
        if not Path(verify).is_dir():
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(verify)
        return None
    except ssl.SSLError:
        reason = "holds no certificate"
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
    name = next((name for name in _AUTHORITIES if os.environ.get(name) == verify), "verify")
    problem = f"was not asked: {verify}, which {name} names, {reason},"
    return Fault(
        RegistryError, problem, f"let {name} name the certificates of the authority that signed it, or unset it"
    )


def _timeout(path: str, *, reads: bool, again: bool = False) -> tuple[float, float]:
    """Seconds to connect, and until the next byte: the user's own, or what the request is worth; a second read has more."""
    default = READ_SECONDS * (2 if again else 1) if reads else WRITE_SECONDS
    seconds = _seconds(_TIMEOUT) or (FILE_SECONDS if "/mlflow-artifacts/" in path else default)
    return min(CONNECT_SECONDS, seconds), seconds


def _seconds(name: str) -> float | None:
    """The number of seconds that a variable holds, None where it holds none."""
    try:
        value = float(os.environ.get(name, ""))
    except ValueError:
        return None
    return value if 0 < value < 1e7 else None


def _comes_back(answer: requests.Response) -> tuple[bool, float | None]:
    """(Whether it says that nothing was done and to come back, after how many seconds where it says that too.)"""
    text = answer.headers.get("Retry-After", "").strip()
    after: float | None
    if text.isdecimal():
        after = float(text)
    else:
        until, sent = seconds_of_date(text), seconds_of_date(answer.headers.get("Date"))
        after = None if until is None else max(0.0, until - (time.time() if sent is None else sent))
    return answer.status_code == 429 or (answer.status_code == 503 and after is not None), after


def _fault(answer: requests.Response, path: str) -> Fault | None:
    """Why an answer cannot be used, None where it is MLflow's own. path: of the request."""
    status = answer.status_code
    if status < 300:
        return _unlike_mlflow(answer, path)
    if status < 400:
        return None
    document = _document(answer)
    label = f"({status} {answer.reason or ''}".rstrip() + ")"
    detail = message(_word(document) or (document if isinstance(document, dict) else _page(answer)))
    if _comes_back(answer)[0]:
        text = answer.headers.get("Retry-After")
        more = f"it asks to come back after {text}" + (" s" if text.isdecimal() else "") if text else detail
        problem = "limits requests" if status == 429 else "is not available"
        remedy = (
            f"run the same command again later, or let it be waited for longer with {BUDGET}=seconds (now {budget():g})"
        )
        return Fault(Unavailable, f"{problem} {label}", remedy, detail=more, again=True)
    if status >= 500 or status == 408:
        return Fault(Unavailable, f"failed {label}", REACHABLE, detail=detail, again=True, nothing_written=False)
    if isinstance(document, dict) and "error_code" in document:
        return None
    if status == 413:
        size = int(answer.request.headers.get("Content-Length") or 0)
        return Fault(
            RegistryError,
            f"does not take a body of {size:,} bytes {label}",
            "let whatever stands in front of it take more (client_max_body_size in nginx)",
            detail=detail,
        )
    if status in (401, 403, 407):
        return Fault(Denied, f"does not allow it {label}", CREDENTIALS, detail=detail)
    if status in (404, 405):
        problem = f"has no MLflow at {_origin(answer.url)} {label}"
        return Fault(RegistryError, problem, "check registry.uri, and the path in it", detail=detail)
    if answer.url.startswith("http:") and _SPEAKS_TLS.search(detail):
        return Fault(RegistryError, f"speaks TLS {label}", HTTPS, detail=detail)
    return Fault(RegistryError, f"refused {label}", "see its own log, or that of what stands in front", detail=detail)


def _unlike_mlflow(answer: requests.Response, path: str) -> Fault | None:
    """Why an answer that says that all is well is not MLflow's."""
    attached = "Content-Disposition" in answer.headers
    if "text/html" in answer.headers.get("Content-Type", "") and not attached and not path.endswith((".html", ".htm")):
        page = f"{_page(answer)} at {redacted(answer.url)}"
        if _SIGN_IN.search(page):
            return Fault(Denied, "answers with a sign-in page", _LET_IN, detail=page)
        return Fault(RegistryError, "answers with a web page instead of JSON", "check registry.uri", detail=page)
    fields = _fields().get(path[path.find("/api/") :])
    if fields is None:
        return None
    text = answer.text.strip()
    document = {} if text in ("", "200 OK") else _document(answer)
    needed = path.endswith(("/get", "/get-by-name", "/get-download-uri", "/create"))
    if isinstance(document, dict) and (fields & document.keys() or not (document or needed)):
        return None
    return Fault(
        Unavailable,
        f"answers {answer.status_code} with something that is not MLflow's",
        "check registry.uri, and what stands in front of it",
        detail=message(_word(document) or cut(text, 100)) or "nothing",
        again=True,
        nothing_written=False,
    )


@lru_cache(maxsize=1)
def _fields() -> Mapping[str, frozenset[str]]:
    """What MLflow's answers may hold, by the path of the request: its client takes any other object for an empty answer."""
    from mlflow.protos.mlflow_artifacts_pb2 import MlflowArtifactsService
    from mlflow.protos.model_registry_pb2 import ModelRegistryService
    from mlflow.protos.service_pb2 import MlflowService
    from mlflow.utils.rest_utils import extract_all_api_info_for_service

    fields: dict[str, frozenset[str]] = {}
    for service in (MlflowService, ModelRegistryService, MlflowArtifactsService):
        for request, endpoints in extract_all_api_info_for_service(service, "/api/2.0").items():
            for path, _ in endpoints:
                fields[path] = fields.get(path, frozenset()) | set(request.Response.DESCRIPTOR.fields_by_name)
    return fields


def _document(answer: requests.Response) -> Any:
    """The JSON of an answer, None where it is none."""
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return None


def _word(document: Any) -> str:
    """What an answer itself says is wrong, empty where it says so under no usual name."""
    if not isinstance(document, dict):
        return ""
    values = [document.get(name) for name in ("message", "error", "error_description", "detail", "title", "reason")]
    return next((word for value in values if (word := value if isinstance(value, str) else _word(value))), "")


def _page(answer: requests.Response) -> str:
    """The title of a page, or the beginning of a text, and what sent it."""
    title = _TITLE.search(answer.text[:100_000])
    text = html.unescape(title[1]) if title else re.sub(r"<[^>]*>", " ", answer.text[:400])
    server = answer.headers.get("Server", "").partition("/")[0]
    return " ".join(f"“{' '.join(text.split())[:200]}”{f' from {server}' if server else ''}".split())


def _origin(url: str) -> str:
    """An address without its path, as far as MLflow's own part of it begins."""
    return redacted(url).partition("/api/")[0]
