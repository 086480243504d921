"""Copy remote data once, hash it while it arrives, and name it without the secrets in its address.

Addresses are fsspec's. Credentials come from where the driver of a scheme looks for them (environment, its own files).
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from fnmatch import fnmatchcase
from glob import has_magic
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from lockgate.data.lakehouse.governed import Governed, governed_above, governed_within, refuse_governed, refuse_removed
from lockgate.data.locate import prefix, visible
from lockgate.errors import DataError
from lockgate.references.address import address_of, redacted, secrets, without_secrets
from lockgate.units import utc_text

if TYPE_CHECKING:
    from lockgate.data.lakehouse.delta import TableState

CONNECT_S, READ_S = 30.0, 60.0
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_BLOCK_BYTES = 4 << 20
_WEB = ("http", "https")
_VERSIONED = re.compile(r"\?versionId=(?P<version>[^?]+)$")  # as s3fs reads it


@dataclass(frozen=True)
class Copy:
    """What an address names, on this machine. files: (name below it, path of the copy, `sha256:…` of its bytes as they came).

    alone: whether that is one file. table: the Delta table that it is of. origin: of one file, the `version` that was read, its `etag` and when it was `written`, as far as its store says them.
    """

    files: tuple[tuple[str, Path, str], ...]
    alone: bool
    table: TableState | None = None
    origin: Mapping[str, str] = field(default_factory=dict)


def is_url(path: str) -> bool:
    return _URL.match(path) is not None


def names_something(url: str) -> bool:
    """Whether an address can be taken apart, and has a place or a path; nothing is opened."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.netloc or parts.path)


def local(path: str) -> str:
    """The path that a file:// address names; what lies elsewhere, or is no address, as it is."""
    if not path.lower().startswith("file://"):
        return path
    url = _without_digest(path)
    parts = urlsplit(url)
    named = unquote(url[len("file://") + len(parts.netloc) :]) if parts.netloc in ("", "localhost") else ""
    return named or path


def _without_digest(url: str) -> str:
    address = address_of(url)
    return url if address is None or address.digest is None else url.partition("#")[0]


def copy(url: str, folder: Path, *, version: int | None = None) -> Copy:
    """Copy what the address names (a file, a folder or a glob) into a folder, each file read once.

    version: of a Delta table; its newest where None.

    Raises DataError, whose message holds neither the address nor a secret of it.
    """
    with _as_data_errors(url):
        system, path = _open(url)
        web = urlsplit(url).scheme in _WEB
        folder.mkdir(parents=True, exist_ok=True)
        remote = _web_files(system, url) if web else _files(system, path, folder / "table", version)
        if not remote.paths:
            raise DataError("names no file", remedy="put files there, or correct the address")
        copied = []
        for number, (name, remote_path) in enumerate(sorted(remote.paths.items())):
            local_path = folder / f"{number:06d}-{_safe(name)}"
            sha256, origin = _download(system, remote_path, local_path, web=web)
            copied.append((name, local_path, sha256))
    return Copy(tuple(copied), remote.alone, remote.table, origin if remote.alone else {})


def size(url: str) -> int | None:
    """How many bytes an address names; None where that is known only by reading them, or it cannot be reached."""
    try:
        with _as_data_errors(url):
            system, path = _open(url)
            if _is_glob(path):
                matches = system.glob(path, detail=True).values()
                return sum(int(info.get("size") or 0) for info in matches)
            alone = urlsplit(url).scheme in _WEB or _VERSIONED.search(path) is not None
            length = system.info(path).get("size") if alone else system.du(path)
            return length if isinstance(length, int) else None
    except DataError:
        return None


def _open(url: str) -> tuple[Any, str]:
    """(fsspec's file system, the path in it). Raises DataError where a package is missing."""
    scheme = url.partition("://")[0].lower()
    try:
        import fsspec
        from fsspec.core import url_to_fs
        from fsspec.registry import known_implementations
    except ImportError as error:
        raise DataError("is remote, and fsspec is not installed", remedy="install lockgate[remote]") from error
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        implementation: dict[str, str] = known_implementations.get(scheme, {})
        package = implementation.get("class", "fsspec").partition(".")[0]
        raise DataError(
            f"needs the driver for {scheme}://, which is not installed",
            remedy=f"install {package}" if package != "fsspec" else implementation.get("err", str(error)),
        ) from error
    except ValueError as error:
        close = get_close_matches(scheme, known_implementations, n=1, cutoff=0.5)
        remedy = f"did you mean {close[0]}://?" if close else "install the fsspec driver for it"
        raise DataError(f"has a scheme that nothing installed reads, {scheme}://", remedy=remedy) from error
    options: dict[str, Any] = {}
    if scheme in _WEB:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=READ_S)
        # The bytes as they are stored are what is hashed: a server may say of x.csv.gz that gzip is its encoding.
        options["client_kwargs"] = {"timeout": timeout, "auto_decompress": False, "trust_env": True}
    elif _VERSIONED.search(url):
        options["version_aware"] = True
    system, path = url_to_fs(_without_digest(url), skip_instance_cache=True, **options)
    return system, path


@dataclass(frozen=True)
class _Remote:
    """The files that an address names. paths: name below the address → path."""

    paths: Mapping[str, str]
    alone: bool = False
    table: TableState | None = None


def _files(system: Any, path: str, scratch: Path, version: int | None) -> _Remote:
    """A file, a folder, a glob or a table in a version; scratch: where the log of a table goes."""

    def above(folders: Iterable[str]) -> Governed | None:
        return governed_above(folders, lambda folder: _listed(system, folder))

    if not _is_glob(path):
        if system.info(path)["type"] != "directory":
            refuse_governed(above([path.rpartition("/")[0]]))
            system.invalidate_cache()  # a listing does not say which version is current, and opening asks it first
            return _Remote({_VERSIONED.sub("", path).rpartition("/")[2]: path}, alone=True)
        path = path.rstrip("/")
        table = above([path])
        if table is not None and table.kind == "Delta":
            return _table(system, table.folder, path, scratch, version)
        refuse_governed(table)
        names = {_below(path, each): each for each in system.find(path)}
        refuse_governed(governed_within(names))
        refuse_removed(names, lambda name: bytes(system.cat_file(names[name])))
        return _Remote({name: names[name] for name in visible(names)})
    base = "/".join(takewhile(lambda part: not has_magic(part), path.split("/")))
    matched = [each for each, info in system.glob(path, detail=True).items() if info["type"] != "directory"]
    refuse_governed(above({each.rpartition("/")[0] for each in matched}))
    names = {_below(base, each): each for each in matched}
    return _Remote({name: each for name, each in names.items() if not any(part[:1] == "." for part in name.split("/"))})


def _table(system: Any, table: str, path: str, scratch: Path, version: int | None) -> _Remote:
    """The files of a Delta table, or of its part below a path: its log is copied and read here."""
    from lockgate.data.lakehouse.delta import read_state

    logged = [
        *system.find(f"{table}/_delta_log"),
        *(f"{table}/{name}" for name in _listed(system, table) if name.endswith(".bin")),
    ]
    for each in logged:
        copied = scratch / _below(table, each)
        copied.parent.mkdir(parents=True, exist_ok=True)
        _download(system, each, copied, web=False)
    state = read_state(scratch, below=prefix(_below(table, path)), version=version)
    return _Remote({file.name: f"{table}/{file.name}" for file in state.files}, table=state)


def _is_glob(path: str) -> bool:
    return has_magic(_VERSIONED.sub("", path))


def _listed(system: Any, folder: str) -> list[str]:
    """The names in a folder; nothing where it is none, or must not be looked into."""
    try:
        return [each.rstrip("/").rpartition("/")[2] for each in system.ls(folder, detail=False)]
    except Exception:  # drivers raise what they want
        return []


def _web_files(system: Any, url: str) -> _Remote:
    """Likewise over HTTP, where a folder is a page of links: those to files right below it."""
    path = urlsplit(url).path
    above, _, last = path.rpartition("/")
    if "*" in above or "[" in above:
        raise DataError("has a pattern in a folder's name", remedy="over HTTP a glob may stand in the last part only")
    if last and not ("*" in last or "[" in last):
        return _Remote({unquote(last): url}, alone=True)
    base = url.partition("?")[0].partition("#")[0].rpartition("/")[0]
    below = [each for each in system.ls(f"{base}/", detail=False) if each.startswith(f"{base}/")]
    refuse_governed(governed_within(f"{_below(base, each)}x" for each in below))
    files = {unquote(_below(base, each)): each for each in below if not set("/?#") & set(_below(base, each))}
    return _Remote({name: files[name] for name in visible(files) if fnmatchcase(name, unquote(last) or "*")})


def _below(base: str, path: str) -> str:
    return path[len(base) :].lstrip("/") if path.startswith(base) else path.rpartition("/")[2]


def _safe(name: str) -> str:
    """The end of a name, by which its format is known, as a file may be called anywhere."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[-80:]


class _HashingFile(io.FileIO):
    """A new file that hashes what is written to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "xb")
        self.sha256 = hashlib.sha256()

    def write(self, data: Any) -> int:
        """All of it."""
        self.sha256.update(data)
        view = memoryview(data)
        while view:
            view = view[super().write(view) :]
        return len(data)


def _download(system: Any, remote_path: str, local_path: Path, *, web: bool) -> tuple[str, dict[str, str]]:
    """(`sha256:…` of the bytes, which version they are)."""
    expected, origin = None, dict[str, str]()
    with _HashingFile(local_path) as copied:
        if web:  # one request; opening would first ask about the file, and hide why that was refused
            system.get_file(remote_path, copied)
        else:
            with system.open(remote_path, "rb", block_size=_BLOCK_BYTES) as source:
                while data := source.read(_BLOCK_BYTES):
                    copied.write(data)
                expected, origin = getattr(source, "size", None), _origin(getattr(source, "details", None))
        size = copied.tell()
    if isinstance(expected, int) and expected != size:
        raise DataError(f"ended after {size:,} of {expected:,} bytes", remedy="run again")
    return f"sha256:{copied.sha256.hexdigest()}", origin


def _origin(details: Any) -> dict[str, str]:
    """What a driver says of the object that it read: S3's version id, ETag and moment, and their likes elsewhere."""
    if not isinstance(details, Mapping):
        return {}
    origin = {}
    for name, keys in {
        "version": ("VersionId", "version_id", "generation"),
        "etag": ("ETag", "etag"),
        "written": ("LastModified", "last_modified", "updated"),
    }.items():
        value = next((details[key] for key in keys if details.get(key) not in (None, "", "null")), None)
        if value is not None:
            origin[name] = utc_text(value) if isinstance(value, datetime) else str(value).strip('"')
    return origin


@contextmanager
def _as_data_errors(url: str) -> Iterator[None]:
    """Whatever a driver raises, as a DataError; drivers like to quote addresses, and raise what they want."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError("does not exist", remedy="correct the address, or give the job the right to see it") from error
    except TimeoutError as error:
        raise DataError("stopped answering", remedy="see that it can be reached from here, and run again") from error
    except Exception as error:
        verb, remedy = "cannot", "see that it can be reached from here, and run again"
        if isinstance(error, PermissionError) or getattr(error, "status", None) in (401, 403):
            verb, remedy = "may not", "give the job's environment credentials that may read it"
        raise DataError(f"{verb} be read ({_message(error, url)})", remedy=remedy) from error


def _message(error: BaseException, url: str) -> str:
    """The first line of an exception, without a secret of the address."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return f"HTTP {status}"
    text = f"{type(error).__name__}: {error}".partition("\n")[0].removesuffix(": ")
    text = re.sub(r"[A-Za-z][A-Za-z0-9+.-]+://[^\s'\"<>)]+", lambda match: redacted(match[0]), text)
    return without_secrets(text, secrets(url))[:300]
