"""Say why a registry or its store failed: whatever MLflow, an HTTP library, a database driver or a cloud's library raises."""

from __future__ import annotations

import errno
import http.client
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import requests
import urllib3

from lockgate.errors import Denied, NotFound, RegistryError, Unavailable, machine_fault

# What can be installed beside lockgate, by the package that a store's library is imported from.
EXTRAS = {
    "boto3": "s3", "botocore": "s3", "google": "gcs", "azure": "azure", "psycopg": "postgresql", "psycopg2": "postgresql", "pymysql": "mysql",
    "MySQLdb": "mysql",
}  # fmt: skip
CREDENTIALS = "use a credential that may (MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN)"
STORE_CREDENTIALS = "give this environment the credentials of the store, as its own client takes them (AWS_…, GOOGLE_APPLICATION_CREDENTIALS, AZURE_…, DATABRICKS_…)"
REACHABLE = "check that it is up and reachable from here, then run the same command again"
HTTPS = "write https:// in registry.uri"

_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})
_FORBIDDEN = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"})
_DEFINITE = frozenset({"INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "NOT_IMPLEMENTED", "INVALID_STATE"})
_UNWELCOME = re.compile(r"credential|auth|token|forbidden|accessdenied|permission", re.IGNORECASE)
_OF_THIS_ENVIRONMENT = "see what it says; if that names nothing of this environment or of the store, report it"
_CREDENTIAL = re.compile("credential", re.IGNORECASE)
_SHARED_LIBRARY = re.compile(r"cannot open shared object file|Unable to load lib\w")
_USER = re.compile(r"//([^/\s]*)@")
_QUERY = re.compile(r"(\w+://[^\s?'\"<>]+)\?[^\s'\"<>)]+")
_ADDED = re.compile(r"\[SQL|\(Background on this error")
_LONGEST = 300
_OTHER_NAMES = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_TLS_RECORDS = ("\x15\x03", "\x16\x03")  # an alert, a handshake
_AZURE = ("wasb", "wasbs", "abfs", "abfss")
_OF_THIS_MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO}
)  # an address that cannot be reached has none of these


class Fault(Exception):
    """Why a call failed. problem: completes "the registry at … …"; again: whether a read may be tried again.

    kind: the error that it becomes where nothing was written. nothing_written: whether that is certain.
    """

    def __init__(
        self,
        kind: type[RegistryError],
        problem: str,
        remedy: str,
        *,
        detail: str = "",
        again: bool = False,
        nothing_written: bool = True,
    ) -> None:
        super().__init__(f"{problem}: {detail}" if detail else problem)
        self.kind, self.problem, self.remedy, self.detail = kind, problem, remedy, detail
        self.again, self.nothing_written = again, nothing_written


def fault_of(raised: BaseException) -> Fault:
    """What an exception says, by whatever it was made from; what nobody has heard of is told by its type and first line."""
    chain = tuple(_chain(raised))
    for cause in chain:
        if (fault := cause if isinstance(cause, Fault) else _network_fault(cause)) is not None:
            return fault
    for cause in chain:
        if (fault := _library_fault(cause)) is not None:
            return fault
    return _mlflow_fault(raised)


def message(source: object) -> str:
    """The text of an exception or an answer on one line, without passwords and without the statement that SQLAlchemy adds."""
    text = _QUERY.sub(r"\1?…", _USER.sub("//", " ".join(_ADDED.split(str(source))[0].split())))
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def redacted(uri: str) -> str:
    """The address without user, password and query; what Azure has before the `@` is the name of a container."""
    bare = uri.partition("?")[0]
    user = _USER.search(bare)
    container = user and ":" not in user[1] and bare.partition("://")[0] in _AZURE
    return bare if user is None or container else bare.replace(user[0], "//", 1)


def _chain(raised: BaseException) -> Iterator[BaseException]:
    """An exception and those that it was made from, the outermost first."""
    seen: list[BaseException] = []
    waiting: list[Any] = [raised]
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and not any(cause is other for other in seen):
            seen.append(cause)
            yield cause
            waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]


def _network_fault(cause: BaseException) -> Fault | None:
    """Why no answer came, or none that can be read."""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Fault(
            RegistryError,
            "has a certificate that is not trusted here",
            "let registry.uri use the name that the certificate is for"
            if cause.verify_code in _OTHER_NAMES
            else "renew it, or name the authority that signed it (REQUESTS_CA_BUNDLE or MLFLOW_TRACKING_SERVER_CERT_PATH)",
            detail=cause.verify_message.rstrip("."),
        )
    if isinstance(cause, ssl.SSLError) and cause.reason is not None:
        return Fault(
            RegistryError,
            "does not speak TLS as it should",
            "check whether the address begins with http:// or https://, and the port",
            detail=message(cause),
        )
    if isinstance(cause, requests.exceptions.ProxyError):
        return _proxy_fault(cause)
    if isinstance(cause, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        if _is_of_proxy(cause):
            return _proxy_fault(cause)
        return Fault(RegistryError, "has no address that can be asked", "check registry.uri", detail=message(cause))
    if isinstance(cause, requests.exceptions.TooManyRedirects):
        return Fault(RegistryError, "redirects in a circle", "check registry.uri, and what stands in front of it")
    if isinstance(cause, requests.exceptions.ContentDecodingError):
        return Fault(
            Unavailable,
            "sent an answer that cannot be decompressed",
            "check what compresses in front of it: the bytes are not what Content-Encoding says",
            again=True,
            nothing_written=False,
        )
    if isinstance(cause, OSError) and cause.errno in _OF_THIS_MACHINE and (own := machine_fault(cause)) is not None:
        return Fault(RegistryError, "could not be used", own.remedy or "", detail=own.message, nothing_written=False)
    if isinstance(cause, socket.gaierror):
        return Fault(
            Unavailable,
            "cannot be reached",
            "check the name in registry.uri, and the DNS of this machine",
            detail=f"its name is not known here ({cause.strerror or cause})",
            again=True,
        )
    if isinstance(cause, ConnectionRefusedError):
        return Fault(Unavailable, "cannot be reached", REACHABLE, detail="the connection is refused", again=True)
    if type(cause) is urllib3.exceptions.ConnectTimeoutError:  # a refused connection is a kind of it there
        return Fault(Unavailable, "cannot be reached", REACHABLE, detail="no connection within its time", again=True)
    if isinstance(cause, urllib3.exceptions.ReadTimeoutError):
        return Fault(
            Unavailable,
            "gave no answer",
            f"{REACHABLE}; a slower one is waited for with MLFLOW_HTTP_REQUEST_TIMEOUT=seconds",
            detail="it took longer than it may",
            again=True,
            nothing_written=False,
        )
    if isinstance(cause, requests.RequestException) and not isinstance(cause, requests.HTTPError):
        return None if _explained(cause) else _no_answer(cause)
    return None


def _explained(cause: BaseException) -> bool:
    """Whether something that an exception was made from says more than it does."""
    inner = tuple(_chain(cause))[1:]
    return any(
        isinstance(each, (urllib3.exceptions.TimeoutError, ssl.SSLError, OSError)) and _network_fault(each)
        for each in inner
    )


def _no_answer(cause: requests.RequestException) -> Fault:
    """What came over a connection instead of a whole answer in HTTP."""
    plain = str(getattr(cause.request, "url", None)).startswith("http:")
    for each in _chain(cause):
        if isinstance(each, http.client.IncompleteRead):
            came = each.partial if isinstance(each.partial, int) else len(each.partial)
            more = "" if each.expected is None else f" and {each.expected:,} did not"
            problem, detail = "sent an answer that was cut off", f"{came:,} bytes came{more}"
            return Fault(Unavailable, problem, REACHABLE, detail=detail, again=True, nothing_written=False)
        if isinstance(each, ConnectionResetError | BrokenPipeError):
            remedy = (
                f"{REACHABLE}; perhaps it speaks https: then write https:// in registry.uri" if plain else REACHABLE
            )
            detail = "it closed the connection"
            return Fault(Unavailable, "gave no answer", remedy, detail=detail, again=True, nothing_written=False)
        if isinstance(each, http.client.BadStatusLine):
            if plain and str(each).startswith(_TLS_RECORDS):
                return Fault(RegistryError, "speaks TLS", HTTPS, detail="it was asked by http://")
            remedy, line = "check registry.uri, and its port", repr(str(each)[:40])
            return Fault(RegistryError, "does not speak HTTP", remedy, detail=f"it began with {line}")
    return Fault(Unavailable, "gave no answer", REACHABLE, detail=message(cause), again=True, nothing_written=False)


def _is_of_proxy(cause: requests.RequestException) -> bool:
    """Whether it is the address of a proxy that cannot be asked: where there is one, and the other has the right form."""
    url = getattr(cause.request, "url", None)
    if url is None:  # raised before there was a request
        socks = any(proxy.startswith("socks") for proxy in getproxies().values())
        return socks or isinstance(cause, requests.exceptions.InvalidProxyURL)
    try:
        asked = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        return False
    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    return proxy is not None and asked.scheme in ("http", "https") and bool(asked.host)


def _proxy_fault(cause: requests.RequestException) -> Fault:
    url = getattr(cause.request, "url", None) or ""
    scheme, host = urlsplit(url).scheme or "http", urlsplit(url).hostname or "the host"
    proxies = getproxies()
    name = next((name for name in (scheme, "all") if name in proxies), scheme)
    reason = next((each for each in reversed(tuple(_chain(cause))) if isinstance(each, OSError)), cause)
    return Fault(
        Unavailable,
        f"cannot be reached through the proxy {redacted(proxies.get(name, ''))}",
        f"correct {name.upper()}_PROXY, or add {host} to NO_PROXY",
        detail=message(reason),
        again=isinstance(cause, requests.exceptions.ProxyError),  # a malformed address stays one
    )


def _library_fault(cause: BaseException) -> Fault | None:
    """What the library of a store says, by what all of them have: a module that is missing, an HTTP status, a name."""
    if isinstance(cause, ImportError):
        package = (cause.name or "").partition(".")[0]
        named = f'"lockgate[{EXTRAS[package]}]"' if package in EXTRAS else package or "what it names"
        more = "; that brings PyMySQL: write mysql+pymysql:// in the address" if package == "MySQLdb" else ""
        problem = f"needs {cause.name or 'a package'}, which is not installed,"
        return Fault(RegistryError, problem, f"pip install {named}{more}", detail="" if cause.name else message(cause))
    if isinstance(cause, OSError) and _SHARED_LIBRARY.search(str(cause)):
        remedy = "install it, and say where it is (for HDFS: JAVA_HOME, HADOOP_HOME or ARROW_LIBHDFS_DIR)"
        detail = str(cause).partition("\n")[0]
        return Fault(RegistryError, "needs a shared library that is not on this machine", remedy, detail=detail)
    if type(cause).__module__.partition(".")[0] in ("builtins", "mlflow", "requests", "sqlalchemy", "urllib3"):
        return None
    status, text = _status(cause), f"{type(cause).__name__}: {message(cause)}"
    if status in (401, 403) or (status is None and _UNWELCOME.search(type(cause).__name__)):
        return Fault(Denied, "does not let us in", STORE_CREDENTIALS, detail=text)
    if status == 404:
        return Fault(NotFound, "has no such thing", "check that its files are still in the store", detail=text)
    if status is not None and (status == 429 or status >= 500):
        return Fault(Unavailable, "failed", REACHABLE, detail=text, again=True, nothing_written=False)
    return None


def _status(cause: BaseException) -> int | None:
    """The HTTP status of an exception of boto, Google's or Azure's libraries."""
    answered = getattr(cause, "response", None)
    values = [getattr(cause, name, None) for name in ("status_code", "code", "status")]
    if isinstance(answered, Mapping):
        values.append(answered.get("ResponseMetadata", {}).get("HTTPStatusCode"))
    return next((int(value) for value in values if isinstance(value, int)), None)


def _mlflow_fault(raised: BaseException) -> Fault:
    """What MLflow itself says by an error code of its own; anything else is no answer."""
    code, text = _code(raised), message(raised)
    if code in _ABSENT:
        return Fault(NotFound, "has no such thing", "check the name and the version", detail=text)
    if code in _FORBIDDEN:
        return Fault(Denied, "does not allow it", CREDENTIALS, detail=text)
    if code == "ENDPOINT_NOT_FOUND":
        return Fault(RegistryError, "does not answer like MLflow", "check registry.uri", detail=text)
    if code in _DEFINITE:
        return Fault(RegistryError, "refused", "see the registry's own log", detail=text)
    lost = any(isinstance(each, OSError) or hasattr(each, "orig") for each in _chain(raised))  # SQLAlchemy's of drivers
    if type(raised).__module__.startswith("mlflow."):
        if lost or hasattr(raised, "json") or code == "TEMPORARILY_UNAVAILABLE":  # a server's answer is kept as JSON
            return Fault(Unavailable, "failed", REACHABLE, detail=text, again=True, nothing_written=False)
        remedy = STORE_CREDENTIALS if _CREDENTIAL.search(text) else _OF_THIS_ENVIRONMENT
        return Fault(RegistryError, "cannot be used from here", remedy, detail=text, nothing_written=False)
    return Fault(
        Unavailable if lost else RegistryError,
        "gave no answer" if lost else "failed",
        REACHABLE if lost else _OF_THIS_ENVIRONMENT,
        detail=f"{type(raised).__name__}: {text}",
        again=lost,
        nothing_written=False,
    )


def _code(raised: BaseException) -> str:
    status = (
        raised.response.status_code if isinstance(raised, requests.HTTPError) and raised.response is not None else 0
    )
    if isinstance(raised, PermissionError):
        status = 403
    if isinstance(raised, (FileNotFoundError, NotADirectoryError)):
        status = 404
    named = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
    return named.get(status) or str(getattr(raised, "error_code", "INTERNAL_ERROR"))
