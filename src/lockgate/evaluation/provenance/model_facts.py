"""What a version takes, what it reached, and what it needs where it is served."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from lockgate.errors import VersionFault
from lockgate.evaluation.provenance.fact import Fact
from lockgate.evaluation.provenance.serving import declared_serving
from lockgate.evaluation.provenance.sources import NAMES, Records, mapping_of
from lockgate.text import listed

_NUMERIC = ("integer", "long", "float", "double")
_TEXT = ("string",)
_BOUNDS = ("range", "ranges", "min", "max", "minimum", "maximum", "ge", "le", "gt", "lt", "in_range")
_VALUES = ("values", "categories", "enum", "isin", "pattern", "regex", "max_length", "length", "vocabulary")
_LATENCY = re.compile(r"(p\d{2,3}(_\d)?|latency|max_latency|mean)_?(ms|s|seconds)?|latency_budget(_ms)?")
_FORMAT = ("input_format", "format", "content_type", "input", "protocol")
_MEMORY = ("rss_mb", "rss_bytes", "memory", "memory_mb", "memory_gb", "ram", "mem")
_PROCESSORS = ("cpu", "cpus", "gpu", "gpus", "cores", "accelerator")
_SYSTEM = ("system/",)
_MOST_NAMED = 8


def feature_schema(records: Records) -> Fact:
    """A signature with the type of every input, and for each number its range, for each text its values."""
    subject = "feature_schema"
    inputs = list((records.facts.signature or {}).get("inputs") or ())
    if not inputs:
        return Fact(subject)
    features = next((declared for kept in records.under("features") if (declared := _declared(kept.value))), {})
    columns = [(str(column.get("name", "")), _type_of(column)) for column in inputs]
    entries = [f"{name or 'input'}: {_feature_words(kind, features.get(name))}" for name, kind in columns]
    bare = [name or "input" for name, kind in columns if not _bounded(kind, name, features)]
    fault = f"types without ranges or values: {listed(bare, _MOST_NAMED)}"
    return Fact(subject, tuple(entries), (fault,) if bare else ())


def _declared(value: Any) -> Mapping[str, Any]:
    """Feature → what is declared of it: as a mapping, as JSON, or as the text that pandera writes of a schema."""
    mapping = mapping_of(value)
    if mapping is not None or not isinstance(value, str):
        return mapping or {}
    from lockgate.data.contract.pandera_schema import features_of

    try:
        return {name: feature.model_dump(exclude_none=True) for name, feature in features_of(value).items()}
    except ValueError:
        return {}


def logged_metrics(records: Records) -> Fact:
    """What it reached before it was registered; what a machine measures of itself is none of it."""
    return Fact("logged_metrics", tuple(_measured(records)))


def slice_metrics(records: Records) -> Fact:
    """Metrics of parts of the data: `auc/country/BR` beside `auc`, or under the names that say so."""
    names = _measured(records)
    patterns = (*records.names.get("slice_metrics", ()), *NAMES["slice_metrics"])
    return Fact("slice_metrics", tuple(name for name in names if _of_slice(name, names, patterns)))


def serving_requirements(records: Records) -> Fact:
    """Input format, latency budget, memory, and processors or accelerators, as whoever logged the model declared them."""
    subject = "serving_requirements"
    try:
        serving = {name: declared.value for name, declared in declared_serving(records.facts).items()}
    except VersionFault as error:
        return Fact(subject, (), (error.message,), str(error.remedy or ""))
    for kept in records.under(subject):
        serving |= mapping_of(kept.value) or {}
    if not serving:
        return Fact(subject)
    names = [str(name).lower() for name in serving]
    lacking = [
        words
        for words, matches in (
            ("the input format (input_format)", any(name in _FORMAT for name in names)),
            ("a latency budget (p99_ms)", any(_LATENCY.fullmatch(name) for name in names)),
            ("memory (rss_mb)", any(name in _MEMORY for name in names)),
            ("processors or accelerators (cpus, gpus)", any(name in _PROCESSORS for name in names)),
        )
        if not matches
    ]
    entries = tuple(f"{name} {value}" for name, value in serving.items())
    return Fact(subject, entries, (f"it lacks {', '.join(lacking)}",) if lacking else ())


def promotion_record() -> Fact:
    """Who promotes and when: the ledger of this tool writes it down, and no entry is made without."""
    return Fact("promotion_record", ("the ledger keeps who promotes, when, and on which evidence",))


def _measured(records: Records) -> list[str]:
    return sorted(name for name in records.facts.metrics if not name.startswith(_SYSTEM))


def _of_slice(name: str, names: list[str], patterns: tuple[str, ...]) -> bool:
    if any(fnmatchcase(name, pattern) for pattern in patterns):
        return True
    return any(name != whole and re.match(rf"{re.escape(whole)}[/: .@]", name) for whole in names)


def _type_of(column: Mapping[str, Any]) -> str:
    tensor = column.get("tensor-spec")
    return f"tensor {tensor.get('dtype', '')}".strip() if isinstance(tensor, Mapping) else str(column.get("type", ""))


def _bounded(kind: str, name: str, features: Mapping[str, Any]) -> bool:
    """Whether what can be bounded is."""
    numeric = kind in _NUMERIC or re.match(r"tensor (?:u?int|float)", kind) is not None
    if not (numeric or kind in _TEXT):
        return True
    keys = set(_keys(features.get(name) if name else features))
    return bool(keys & {*_BOUNDS, *_VALUES}) or (not name and any(_bounded(kind, each, features) for each in features))


def _keys(declared: Any) -> Iterator[str]:
    """The keys of what is declared of a feature, checks of pandera among them."""
    if isinstance(declared, Mapping):
        for key, value in declared.items():
            if value is not None:
                yield str(key).lower()
                if str(key).lower() in ("checks", "tensor"):
                    yield from _keys(value)
    elif isinstance(declared, list):
        for each in declared:
            yield from _keys(each)


def _feature_words(kind: str, declared: Any) -> str:
    if not isinstance(declared, Mapping):
        return kind
    bounds = [f"{key} {value}" for key, value in declared.items() if key != "type"]
    return f"{kind}, {'; '.join(bounds)[:80]}" if bounds else kind
