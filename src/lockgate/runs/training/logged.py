"""The training data that a candidate's run logged, as far as they can be read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lockgate.data import remote
from lockgate.data.locate import file_format
from lockgate.evaluation.provenance.data_facts import training_datasets
from lockgate.evaluation.provenance.sources import Records, mapping_of
from lockgate.references.address import address_of, digest_in, redacted
from lockgate.registries.ports import VersionFacts
from lockgate.text import cut, plain

# A web address that somebody logged is not opened: whoever trains a model would choose what this machine asks for.
_SCHEMES = ("file", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl")
_REMEDY = 'log them with their source: mlflow.data.from_pandas(frame, source=PATH), context="training"'


@dataclass(frozen=True)
class LoggedTrainingData:
    """files: (path, the digest that pins it or None) of data that may be read. unread: why others are not, a clause each."""

    files: tuple[tuple[str, str | None], ...]
    unread: tuple[str, ...]


def logged_training_data(facts: VersionFacts, root: Path) -> LoggedTrainingData:
    """Datasets that the run logged to train on, else what its parameters and tags name as such. root: of relative paths."""
    records = Records(facts)
    datasets = training_datasets(records)
    addresses, unread = list[str](), list[str]()
    for dataset in datasets:
        name = cut(plain(dataset.get("name") or "a dataset"), 60)
        address = _address(dataset)
        if address is None:
            unread.append(f"{name}, which its run logged, has no source that is read here; {_REMEDY}")
        elif (reason := _obstacle(address, root)) is not None:
            unread.append(f"{name}, which its run logged, {reason}")
        else:
            addresses.append(address)
    if not datasets:
        named = [kept.text.strip() for kept in records.under("training_data") if isinstance(kept.value, str)]
        addresses += [text for text in named[:1] if _obstacle(text, root) is None]
        unread += [] if addresses else [f"its run logged no training data that are read here; {_REMEDY}"]
    return LoggedTrainingData(tuple(map(_pinned, dict.fromkeys(addresses))), tuple(dict.fromkeys(unread)))


def _pinned(address: str) -> tuple[str, str | None]:
    """A path of this machine without the digest behind it, and that digest; an address holds its own."""
    path, _, fragment = address.partition("#")
    digest = digest_in(fragment)
    return (address, None) if "://" in address or digest is None else (path, digest)


def _address(dataset: Mapping[str, str]) -> str | None:
    """The path or address in the source of a dataset as MLflow keeps it."""
    source = dataset.get("source", "")
    fields = mapping_of(source)
    if fields is None:
        return source or None
    if "delta_table_name" in fields or "sql" in fields or "table_name" in fields:
        return None
    address = next((fields[key] for key in ("uri", "url", "path") if isinstance(fields.get(key), str)), None)
    return str(address) if address else None


def _obstacle(address: str, root: Path) -> str | None:
    """Why an address is not read, to be read behind its name; None where it may be."""
    parts = address_of(address)
    if parts is not None and parts.scheme not in _SCHEMES:
        return f"lies at {redacted(address)}, which is not opened because a version names it"
    path, _ = _pinned(remote.local(address))
    if not remote.is_url(path) and not (root / path).exists():
        return f"lies at {redacted(address)}, which is not here"
    if file_format(path.partition("?")[0].partition("#")[0]) is None and not (root / path).is_dir():
        return f"lies at {redacted(address)}, which is no data file that is read here"
    return None
