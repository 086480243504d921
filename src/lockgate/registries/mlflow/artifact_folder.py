"""Files that a run or a version names: behind MLflow's server, on disk, or in a bucket that the client reads itself."""

from __future__ import annotations

import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from lockgate.errors import RegistryError
from lockgate.registries.mlflow.client import MlflowClient
from lockgate.registries.mlflow.faults import redacted
from lockgate.registries.mlflow.session import log
from lockgate.text import counted

_AT_ONCE = 4
_TELL_SECONDS = 10.0


class ArtifactFolder:
    """Everything below an address. subject: completes "while reading …" or "while writing …".

    Each file is asked for on its own, and again on its own: of a folder with many files one always fails somewhere.
    """

    def __init__(self, client: MlflowClient, uri: str, subject: str) -> None:
        self._client, self._uri, self._subject = client, uri, subject

    @cached_property
    def _repository(self) -> Any:
        return self._client.read(self._subject, lambda mlflow: mlflow.artifacts(self._uri), store=self._uri)

    @cached_property
    def _store(self) -> str:
        """Where the files lie in the end; a logged model's address says only which one it is."""
        return str(getattr(self._repository, "repo", self._repository).artifact_uri)

    def list(self, path: str = "") -> list[Any]:
        """What lies right below a path: entries with path, is_dir and file_size."""
        repository = self._repository
        entries = self._client.read(self._subject, lambda _: repository.list_artifacts(path), store=self._store)
        return [entry for entry in entries if entry.path not in (".", path)]

    def download(self, path: str, local: Path, size: int | None = None) -> None:
        """Copy one file. size: in bytes, by the store's listing, where it says. Raises RegistryError for another one."""
        repository = self._repository
        self._client.read(self._subject, lambda _: repository._download_file(path, str(local)), store=self._store)
        copied = local.stat().st_size
        if size is not None and copied != size:  # a Content-Length that agrees with half a file is no fault of HTTP
            raise RegistryError(
                f"{path} came as {copied:,} bytes while reading {self._subject}; the listing of {redacted(self._store)} says {size:,}",
                remedy="look for a cache or a proxy that cuts files, then run the same command again",
            )

    def read(self, entry: Any) -> bytes:
        """The bytes of a file that was listed, a small one."""
        with tempfile.TemporaryDirectory(prefix="lockgate-") as folder:
            local = Path(folder, "file")
            self.download(entry.path, local, entry.file_size)
            return local.read_bytes()

    def download_all(self, folder: Path) -> None:
        """Copy all files into a folder, and say every ten seconds how far it is."""
        sizes = dict(sorted(self._files("")))
        for path in sizes:
            _within(folder, path).parent.mkdir(parents=True, exist_ok=True)
        with self._progress(folder, len(sizes)), ThreadPoolExecutor(_AT_ONCE) as pool:
            copies = [pool.submit(self.download, path, _within(folder, path), size) for path, size in sizes.items()]
            try:
                for copy in copies:
                    copy.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def upload(self, path: Path, folder: str | None = None) -> None:
        """Store a file below a folder."""
        repository = self._repository
        self._client.write(self._subject, lambda _: repository.log_artifact(str(path), folder), store=self._store)

    def _files(self, path: str) -> Iterator[tuple[str, int | None]]:
        """(Path, bytes where the store says) of each file."""
        for entry in self.list(path):
            if entry.is_dir:
                yield from self._files(entry.path)
            else:
                yield entry.path, entry.file_size

    @contextmanager
    def _progress(self, folder: Path, files: int) -> Iterator[None]:
        ended, began = threading.Event(), time.monotonic()

        def tell() -> None:
            while not ended.wait(_TELL_SECONDS):
                sizes = _sizes(folder)
                log.info(
                    "downloading %s: %d of %s, %.1f MB after %.0f s",
                    self._subject,
                    len(sizes),
                    counted(files, "file"),
                    sum(sizes) / 1e6,
                    time.monotonic() - began,
                )

        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _sizes(folder: Path) -> list[int]:
    """Bytes of each file below a folder; a file that goes meanwhile, as a partial copy does when it is renamed, is none."""
    sizes = []
    for path in folder.rglob("*"):
        with suppress(OSError):
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                sizes.append(status.st_size)
    return sizes


def _within(folder: Path, path: str) -> Path:
    """Where a file is copied to. Raises RegistryError for a name that leads out of the folder."""
    parts = PurePosixPath(path).parts
    if ".." in parts or path.startswith("/"):
        raise RegistryError(f"the store names a file outside of its folder: {path}", remedy="log the model again")
    return folder.joinpath(*parts)
