"""Copy the evaluated version into the registered model that holds Production: once, whatever breaks off in between.

Two write-once keys of the target's ledger belong to an attempt: `copying-HASH-N` claims it, `copied-HASH-N` says which
version it made, or that it made none. HASH is of the source.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockgate import hashing
from lockgate.errors import Denied, Edited, NotFound, Refused, RegistryError, UnknownOutcome, Waiting
from lockgate.evidence import stored_json
from lockgate.evidence.evidence import Evidence
from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.entry import LONGEST_LEASE, Source
from lockgate.promotion.operator import Operator
from lockgate.registries.ports import ModelVersion
from lockgate.signoff.vote import CLOCK_SKEW
from lockgate.units import duration, duration_text, utc, utc_text

SCHEMA = "lockgate/copy/v1"
_NOTE = 200  # characters
_MOST = 2**20  # bytes


def source_of(model: str, evidence: Evidence) -> Source | None:
    """What is to be copied; None where the version was evaluated in `model`, which holds Production."""
    if evidence.model == model:
        return None
    candidate = evidence.candidate
    return Source(evidence.model, str(candidate["version"]), str(candidate.get("digest")))


def placed_version(chain: Chain, evidence: Evidence, source: Source | None) -> str | None:
    """The version that the evidence's candidate is in the model that holds Production; None where it never held that."""
    return str(evidence.candidate["version"]) if source is None else chain.copy_of(source)


def copy_version(operator: Operator, source: Source, *, scratch: Path) -> str:
    """The version of the operator's model that has the source's files; copied now, unless it is there already.

    scratch: where files are downloaded to, to be compared. Raises Waiting while somebody else copies it, Refused where the
    copy was changed since, or the credential may not make one.
    """
    return _Copying(operator, source, scratch).version()


@dataclass(frozen=True)
class _Copying:
    operator: Operator
    source: Source
    scratch: Path

    def version(self) -> str:
        ledger, attempt = self.operator.registry.ledger(self.operator.model), 1
        while True:
            keys = ledger.keys()
            result = keys.get(self._key("copied", attempt))
            if result is not None:
                version = self._made(attempt, result)
                if version is not None and self._is_there(version):
                    return version
                attempt += 1  # it made none, or what it made was deleted since
                continue
            claim = keys.get(self._key("copying", attempt)) or self._claim(attempt)
            if claim is not None:
                self._wait_for(attempt, claim)
                self._conclude(attempt, self._existing(), note="its lease was over")
            elif (version := self._carry_out(attempt)) is not None:
                return version

    def _carry_out(self, attempt: int) -> str | None:
        """Copy, unless an earlier attempt did so; what came of it is written down, but for an answer that was lost.

        None where somebody else, after our lease, wrote down something else.
        """
        model, source = self.operator.model, self.source
        try:
            whole = self._existing()  # its files are compared then
            version = whole or self._copy()
        except UnknownOutcome:  # it may still come, so nobody copies again before the lease of this attempt ends
            raise
        except Denied as denied:
            self._conclude(attempt, None, note="denied")
            raise Refused(
                f"this credential may not copy {source} into {model}: {denied.message}",
                code="copy_denied",
                remedy=f"let it create versions of {model}, and the registered model itself where there is none yet",
            ) from denied
        except RegistryError as error:
            self._conclude(attempt, None, note=error.message[:_NOTE])
            raise
        if version != whole and not self._has_its_files(version):
            self._conclude(attempt, None, note=f"version {version} has other files")
            raise Refused(
                f"the copy of {source} in {model}, version {version}, has other files than were evaluated",
                code="model_changed",
                remedy="see what the registry made of it, delete that version, and run the same command again",
            )
        return version if self._conclude(attempt, version) == version else None

    def _copy(self) -> str:
        """Make the copy; where its answer was lost, it is looked for. Raises UnknownOutcome where it is not to be seen."""
        source = self.source
        tags = {"lockgate.copy_of": str(source), "lockgate.digest": source.digest}
        version = ModelVersion(source.model, source.version)
        try:
            return self.operator.registry.copy_version(version, self.operator.model, tags=tags).version
        except UnknownOutcome:
            existing = self._existing()
            if existing is None:
                raise
            return existing

    def _existing(self) -> str | None:
        """The first version that is a whole copy, by the digest of its files; None where there is none."""
        source = ModelVersion(self.source.model, self.source.version)
        copies = self.operator.registry.copies(source, self.operator.model)
        return next((copy.version for copy in copies if self._has_its_files(copy.version)), None)

    def _is_there(self, version: str) -> bool:
        """Whether a copy that was made exists still. Raises Refused where its files are others now."""
        try:
            self.operator.registry.version(self.operator.model, version)
        except NotFound:
            return False
        if self._has_its_files(version):
            return True
        raise Refused(
            f"the files of version {version} of {self.operator.model} are not those of {self.source}, which it is a copy of",
            code="model_changed",
            remedy="find out who changed them; delete that version, and the next promotion copies anew",
        )

    def _has_its_files(self, version: str) -> bool:
        try:
            files = self.operator.registry.fetch(ModelVersion(self.operator.model, version), self.scratch / "copies")
        except NotFound:
            return False
        return hashing.folder_digest(files) == self.source.digest

    def _claim(self, attempt: int) -> str | None:
        """Claim an attempt: None where it is ours, else what somebody else wrote."""
        lease = duration_text(self.operator.promotion.lease)
        claim = self._text(of=str(self.source), digest=self.source.digest, lease=lease)
        ledger = self.operator.registry.ledger(self.operator.model)
        stored = ledger.put_if_absent(self._key("copying", attempt), claim)
        return None if stored == claim else stored

    def _wait_for(self, attempt: int, claim: str) -> None:
        """Raises Waiting while whoever claimed an attempt may be at it."""
        with self._reading("copying", attempt):
            document = stored_json.read_object(claim, most=_MOST)
            at, lease = utc(stored_json.text(document, "at")), duration(stored_json.text(document, "lease"))
        ends, now = at + min(lease, LONGEST_LEASE), self.operator.clock()
        if at <= now + CLOCK_SKEW and now < ends:
            raise Waiting(
                f"{self.source} is being copied into {self.operator.model}",
                code="in_progress",
                remedy=f"try again; unless that is done by {utc_text(ends)}, the next command goes on with it",
            )

    def _conclude(self, attempt: int, version: str | None, *, note: str = "") -> str | None:
        """Write down which version an attempt made; returns the one that stands there."""
        ledger = self.operator.registry.ledger(self.operator.model)
        result = ledger.put_if_absent(self._key("copied", attempt), self._text(version=version, note=note))
        return self._made(attempt, result)

    def _made(self, attempt: int, result: str) -> str | None:
        """The version that an attempt made, None where it made none."""
        with self._reading("copied", attempt):
            return stored_json.optional_text(stored_json.read_object(result, most=_MOST), "version")

    @contextmanager
    def _reading(self, word: str, attempt: int) -> Iterator[None]:
        """Raises Edited for what nobody wrote here."""
        try:
            yield
        except ValueError as error:
            raise Edited(
                f"{self._key(word, attempt)} in the ledger of {self.operator.model}, on the copy of {self.source}, cannot be "
                f"read: {error}; nothing was moved",
                remedy="find out who wrote it; a candidate that is registered again, as a new version, has records of its own",
            ) from error

    def _key(self, word: str, attempt: int) -> str:
        parts = [self.source.model, self.source.version, self.source.digest]
        return f"{word}-{hashing.sha256(hashing.canonical(parts))[7:39]}-{attempt}"

    def _text(self, **fields: Any) -> str:
        who = {"actor": self.operator.actor.to_json(), "at": utc_text(self.operator.clock())}
        return hashing.canonical({"schema": SCHEMA, **who, **fields}).decode()
