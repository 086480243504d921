"""The shape of an evidence document: what every reader of it relies on, checked once when its bytes are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockgate.evidence import stored_json
from lockgate.hashing import is_digest
from lockgate.units import utc

_OPENS = ("yes", "by_owner", "no")
_MOMENTS = ("started_at", "finished_at")


def check_shape(document: Mapping[str, Any]) -> None:
    """Raises ValueError, whose text is a clause ("its …"), where a part has another shape. What is not known is left alone."""
    _check_run(stored_json.mapping(document, "run"))
    _check_model(stored_json.mapping(document, "model"))
    if "policy" in document:
        _check_policy(stored_json.mapping(document, "policy"))
    if stored_json.text(document, "opens") not in _OPENS:
        raise ValueError(f"its opens is {stored_json.excerpt(document['opens'])}")
    stored_json.texts(document, "asks")
    if document.get("parents") is not None and not all(map(is_digest, stored_json.texts(document, "parents"))):
        raise ValueError("its parents are no digests")
    for gate in _objects(document, "gates"):
        _check_gate(gate)
    _check_entries(document, "exhibits", texts=("name", "sha256"))
    _check_entries(document, "data", texts=("name", "digest"), counts=("rows",))
    for entry in _objects(document, "scored") if document.get("scored") is not None else ():
        if entry.get("scores") is not None:
            stored_json.text(entry, "data")
            stored_json.mapping(stored_json.mapping(entry, "scores"), "candidate")
        if entry.get("recorded"):
            stored_json.text(entry, "data")
            for role in stored_json.mapping(entry, "recorded"):
                _check_recorded(stored_json.mapping(entry["recorded"], role))
    _check_entries(document, "waivers", texts=("finding", "reason", "owner", "until"))


def _check_run(run: Mapping[str, Any]) -> None:
    stored_json.text(run, "id")
    for name in _MOMENTS:
        if name in run:
            utc(stored_json.text(run, name))
    for name in ("git", "ci", "looks", "evaluations", "registry"):
        if run.get(name) is not None:
            stored_json.mapping(run, name)
    for name in run.get("looks") or ():
        stored_json.optional_count(run["looks"], name)
    for name in run.get("evaluations") or ():
        evaluation = stored_json.mapping(run["evaluations"], name)
        stored_json.optional_text(evaluation, "rows")
        stored_json.text(evaluation, "id")
        stored_json.count(evaluation, "counted")
        stored_json.optional_text(evaluation, "unknown")
    for name in ("published", "epoch") if run.get("registry") else ():
        stored_json.count(run["registry"], name)


def _check_recorded(entry: Mapping[str, Any]) -> None:
    stored_json.texts(entry, "columns")
    stored_json.text(entry, "state")
    if "missing" in entry:
        stored_json.count(entry, "missing")
    if entry.get("spot_check") is not None:
        check = stored_json.mapping(entry, "spot_check")
        for name in ("rows", "of", "differing", *(["unsteady"] if "unsteady" in check else [])):
            stored_json.count(check, name)
        float(stored_json.text(check, "at_most"))
    elif "obstacle" in entry:
        stored_json.text(entry, "obstacle")


def _check_model(model: Mapping[str, Any]) -> None:
    stored_json.text(model, "name")
    versions = [stored_json.mapping(model, "candidate")]
    if stored_json.field(model, "champion") is not None:
        versions.append(stored_json.mapping(model, "champion"))
    for version in versions:
        stored_json.text(version, "version")
        stored_json.optional_text(version, "digest")
        stored_json.optional_text(version, "run_id")


def _check_policy(policy: Mapping[str, Any]) -> None:
    stored_json.text(policy, "sha256")
    if policy.get("reuse") is not None:
        stored_json.count(stored_json.mapping(policy, "reuse"), "budget")
    for file in _objects(policy, "files") if "files" in policy else ():
        stored_json.text(file, "path")


def _check_gate(gate: Mapping[str, Any]) -> None:
    for name in ("name", "kind", "verdict", "reason"):
        stored_json.text(gate, name)
    if type(stored_json.field(gate, "counts")) is not bool:
        raise ValueError(f"its counts is {stored_json.excerpt(gate['counts'])}, not true or false")
    broken = stored_json.mapping(gate, "context").get("broken")
    if broken is not None and not isinstance(broken, Mapping):
        raise ValueError(f"its broken is {stored_json.excerpt(broken)}, not an object")
    for line in _objects(gate, "requirements"):
        stored_json.text(line, "id")
        stored_json.text(line, "text")
        stored_json.count(line, "file")
        stored_json.optional_count(line, "line")
    for finding in _objects(gate, "findings"):
        _check_finding(finding)


def _check_finding(finding: Mapping[str, Any]) -> None:
    for name in ("id", "requirement", "subject", "verdict", "code", "reason"):
        stored_json.text(finding, name)
    stored_json.optional_text(finding, "remedy")
    stored_json.count(finding, "rows")
    for name in ("positives", "rows_needed"):
        stored_json.optional_count(finding, name)
    for value in stored_json.mapping(finding, "slice").values():
        if not isinstance(value, str):
            raise ValueError(f"its slice is {stored_json.excerpt(value)}, not a text")
    stored_json.text(stored_json.mapping(finding, "limit"), "op")
    stored_json.text(finding["limit"], "text")
    stored_json.mapping(finding, "detail")
    if finding.get("decided") is not None:
        _check_decided(stored_json.mapping(finding, "decided"))


def _check_decided(decided: Mapping[str, Any]) -> None:
    for name in ("on", "claim", "method"):
        stored_json.text(decided, name)
    required = stored_json.texts(decided, "required")
    if len(required) != 2 or required[0] not in (">=", "<="):
        raise ValueError("its required is no comparison and number")


def _check_entries(
    document: Mapping[str, Any], name: str, *, texts: tuple[str, ...] = (), counts: tuple[str, ...] = ()
) -> None:
    if document.get(name) is None:
        return
    for entry in _objects(document, name):
        for key in texts:
            stored_json.text(entry, key)
        for key in counts:
            stored_json.count(entry, key)


def _objects(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    values = stored_json.listed(document, name)
    if not all(isinstance(value, Mapping) for value in values):
        raise ValueError(f"its {name} holds what is no object")
    return values
