"""Which way each key of a pipeline is looser: where more candidates pass, more is accepted, or more people may do it.

A key that is here under the class which declares it has a direction, or is named neutral; `tests/pipeline/test_comparison.py`
asks that of every key that there is. A key of somebody else's gate is in no table, and its change is only `changed`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

# may_be_looser: another yardstick, by which some may pass who did not before.
Effect = Literal["looser", "may_be_looser", "stricter", "changed"]
EFFECTS: tuple[Effect, ...] = ("looser", "may_be_looser", "stricter", "changed")
LOOSER: tuple[Effect, ...] = ("looser", "may_be_looser")
Direction = Callable[[Any, Any], Effect]


@dataclass(frozen=True)
class Section:
    """A mapping that is compared key by key; whole: of one that is new, gone, or another kind of value."""

    whole: Direction


@dataclass(frozen=True)
class Entries:
    """Entries that have names, compared one by one. name: of an entry; the key, where they are a mapping.

    each: of an entry that is no mapping of keys itself.
    """

    added: Effect
    removed: Effect
    name: Callable[[Any], str] = str
    each: Direction = lambda _before, _after: "changed"


def combined(effects: Collection[Effect]) -> Effect:
    """The effect of several changes together: one that is looser and another that is stricter may be looser."""
    if "may_be_looser" in effects or {"looser", "stricter"} <= set(effects):
        return "may_be_looser"
    return next((effect for effect in EFFECTS if effect in effects), "changed")


def neutral(_before: Any, _after: Any) -> Effect:
    return "changed"


def either(_before: Any, _after: Any) -> Effect:
    return "may_be_looser"


def lower(before: Any, after: Any) -> Effect:
    """A lower number is looser; one that is left to the run, None, is another."""
    if before is None or after is None:
        return "may_be_looser"
    return "looser" if after < before else "stricter"


def higher(before: Any, after: Any) -> Effect:
    """A higher number is looser, and none at all is no limit."""
    if before is None or after is None:
        return "looser" if after is None else "stricter"
    return "looser" if after > before else "stricter"


def order(*from_strict: Any) -> Direction:
    """Of a few values, the strictest first."""

    def direction(before: Any, after: Any) -> Effect:
        if before not in from_strict or after not in from_strict:
            return "may_be_looser"
        return "looser" if from_strict.index(after) > from_strict.index(before) else "stricter"

    return direction


def more_members(before: Collection[Any], after: Collection[Any]) -> Effect:
    """Whoever or whatever is added makes it looser; another order is no more than that."""
    effects: list[Effect] = ["looser"] if any(each not in before for each in after) else []
    effects += ["stricter"] if any(each not in after for each in before) else []
    return combined(effects)


def fewer_members(before: Collection[Any], after: Collection[Any]) -> Effect:
    return more_members(after, before)


def fewer_signatures(before: Mapping[str, int] | None, after: Mapping[str, int] | None) -> Effect:
    """How many of each group must sign. Without any entry nothing can be done at all, which is strictest."""
    if not before or not after:
        return "looser" if after else "stricter"
    counts = [(before.get(group, 0), after.get(group, 0)) for group in {*before, *after}]
    effects: list[Effect] = ["looser"] if any(now < then for then, now in counts) else []
    effects += ["stricter"] if any(now > then for then, now in counts) else []
    return combined(effects)


def _pinned(_before: Any, after: Any) -> Effect:
    """Of a digest: bytes that nothing pins can be replaced."""
    return "looser" if after is None else "may_be_looser"


def _proven(before: str, after: str) -> Effect:
    if before.startswith("waived") and after.startswith("waived"):
        return "may_be_looser"
    return "looser" if after.startswith("waived") else "stricter"


_OPENS: Direction = lambda _before, after: "stricter" if after is None else "looser"  # noqa: E731
_CHECKS: Direction = lambda _before, after: "looser" if after is None else "stricter"  # noqa: E731
_BLOCKS_LESS = order("block", "merge", "watch")


def small_slices(before: Any, after: Any) -> Effect:
    """Of a whole `small_slices`: what becomes of the small ones, and how many are that."""
    effects: list[Effect] = [] if before.below == after.below else [_BLOCKS_LESS(before.below, after.below)]
    for name in ("min_rows", "min_positives"):
        then, now = getattr(before, name), getattr(after, name)
        if then != now:
            more_are_small = now > then
            effects.append("stricter" if more_are_small == (after.below == "block") else "looser")
    return combined(effects)


def _asked(before: Any, after: Any) -> Effect:
    """Of what need not hold where it is left out."""
    return "may_be_looser" if None not in (before, after) else "looser" if after is None else "stricter"


def _asked_twice(before: Any, after: Any) -> Effect:
    """Of requests by which noise is measured: what goes beyond it is less than what all changes."""
    return "looser" if before is None else "stricter" if after is None else "may_be_looser"


def _taken_as_recorded(before: Any, after: Any) -> Effect:
    """Of recorded answers: trusted ones need not agree with any model, and those within a tolerance not wholly."""
    looseness = [0 if each is None else 2 if each == "trusted" else 1 for each in (before, after)]
    return "looser" if looseness[1] > looseness[0] else "stricter"


def wider_range(before: Any, after: Any) -> Effect:
    """Of [smallest, largest], where an end that is left out is none."""
    if before is None or after is None:
        return _asked(before, after)
    (low, high), (new_low, new_high) = (
        (-math.inf if ends[0] is None else ends[0], math.inf if ends[1] is None else ends[1])
        for ends in (before, after)
    )
    effects: list[Effect] = ["looser"] if new_low < low or new_high > high else []
    effects += ["stricter"] if new_low > low or new_high < high else []
    return combined(effects)


def _more_values(before: Any, after: Any) -> Effect:
    return _asked(before, after) if None in (before, after) else more_members(before, after)


def _waiver_name(waiver: Any) -> str:
    return str(waiver.finding)


_WAIVERS = Entries("looser", "stricter", _waiver_name)
_SERVER_PARTS = ("protocol", "candidate", "champion", "model", "version", "tensor", "path", "body", "output")
_COLUMNS = ("path", "format", "columns", "label", "id", "cluster", "weight", "last", "until", "time", "scores", "query")

DIRECTIONS: Mapping[str, Direction | Section | Entries] = {
    **{f"Pipeline.{key}": either for key in ("model", "task", "positive", "classes", "mode")},
    **{f"Pipeline.{key}": neutral for key in ("description", "extends", "notify")},
    **{f"Pipeline.{key}": Section(either) for key in ("registry", "candidate", "champion", "environment", "target")},
    "Pipeline.output": Section(either),
    "Pipeline.threshold": Section(either),
    "Pipeline.data": Entries("changed", "changed"),
    "Pipeline.gates": Entries("stricter", "looser", lambda gate: str(gate.title)),
    "Pipeline.signoff": Section(_OPENS),
    "Pipeline.promotion": Section(neutral),
    "Pipeline.isolation": Section(neutral),
    "Pipeline.inputs": Entries("may_be_looser", "may_be_looser"),
    "Pipeline.features": Entries("stricter", "looser"),
    "Pipeline.features_from": either,
    "Pipeline.waive": _WAIVERS,
    "Pipeline.locked": fewer_members,
    "Pipeline.per_row": Entries("changed", "changed"),
    "Pipeline.reuse": Section(_CHECKS),
    "TagThreshold.tag": either,
    "PythonEnvironment.python": either,
    **{f"InputSpec.{key}": either for key in ("column", "columns", "decode")},
    "Reuse.budget": higher,
    # gates
    "Gate.gate": either,
    **{f"Gate.{key}": neutral for key in ("name", "needs")},
    "Gate.severity": order("block", "warn"),
    "Gate.require": neutral,  # its lines are compared one by one: requirement_changes.py
    "Gate.waive": _WAIVERS,
    **{f"Waiver.{key}": neutral for key in ("finding", "owner", "reason")},
    "Waiver.until": higher,
    **{
        f"{gate}.data": either
        for gate in ("Behaviour", "DataQuality", "Environment", "Latency", "Metrics", "Shadow", "Shift", "Signature")
    },
    "Environment.serving": Section(either),
    **{f"Environment.{key}": either for key in ("python", "same_minor", "same_major")},
    "Environment.exact": fewer_members,
    "Environment.ignore": more_members,
    "Environment.tolerance": higher,
    "ServingPython.python": either,
    "ServingAnswer.server": either,
    **{f"Shift.{key}": either for key in ("traffic", "columns", "strata")},
    "Shift.min_share": higher,
    **{f"Command.{key}": either for key in ("run", "findings", "data", "labels", "files", "env")},
    # what labels say later promotes nothing
    "Shadow.labels": Section(neutral),
    **{f"LateLabels.{key}": neutral for key in ("id", "label", "time", "matured", "coverage", "require")},
    "Command.timeout": neutral,  # one that is over is an error
    "Command.trusted": order(False, True),  # noqa: FBT003
    "Command.isolation": Section(neutral),
    **{f"DataQuality.{key}": either for key in ("pandera", "great_expectations", "python")},
    "DataQuality.timeout": neutral,
    "Metadata.sources": Entries("may_be_looser", "may_be_looser"),
    "Metadata.hyperparameters": fewer_members,
    "Metadata.history": neutral,  # a warning
    "Metadata.dated_paths": order(False, True),  # noqa: FBT003
    "Metadata.must_exist": order(True, False),  # noqa: FBT003
    "Latency.load": Section(neutral),
    "Latency.target": Section(either),
    "Metrics.functions": Entries("changed", "changed"),
    "Shadow.a_a": _asked_twice,
    "Shadow.show": neutral,
    "Shadow.stop": either,
    **{f"Load.{key}": lower for key in ("rate", "requests", "duration", "stall")},
    "Load.arrivals": order("poisson", "constant"),
    "Load.closed": Section(either),
    "Load.warmup": higher,
    "Load.batch_size": either,
    "Closed.concurrency": lower,
    **{f"Function.{key}": either for key in ("function", "better", "per_row", "columns", "bounds")},
    "Function.unit": neutral,
    **{f"RowMetric.{key}": either for key in ("function", "better", "columns", "bounds")},
    "RowMetric.read": more_members,
    "RowMetric.unit": neutral,
    # where models are, and where they answer
    **{f"{spec}.kind": either for spec in ("RegistrySpec", "MlflowSpec")},
    "UriSpec.uri": either,
    "UriSpec.lifecycle": neutral,
    "MlflowSpec.tracking_uri": either,
    **{f"CandidateSelector.{key}": either for key in ("file", "version", "alias", "git_commit", "tag", "newest")},
    **{f"ChampionSelector.{key}": either for key in ("alias", "version")},
    "ChampionSelector.otherwise": order(None, "none"),
    "Serve.serve": either,
    **{f"Server.{key}": either for key in _SERVER_PARTS},
    **{f"Server.{key}": neutral for key in ("health", "headers", "ca", "ready", "rate")},
    "Server.hosts": _more_values,
    "Serve.ready": neutral,
    "Serve.timeout": higher,
    "Server.timeout": higher,
    **{f"ByRole.{key}": either for key in ("candidate", "champion")},
    **{f"OutputSpec.{key}": Section(either) for key in ("candidate", "champion")},
    **{f"OutputPart.{key}": either for key in ("column", "label", "method")},
    "Isolation.require": order("box", "best_effort", "off"),
    **{f"Isolation.{key}": more_members for key in ("read", "connect", "devices")},
    **{f"Isolation.{key}": higher for key in ("memory", "disk")},
    # data
    **{f"DatasetSpec.{key}": either for key in _COLUMNS},
    **{f"DatasetSpec.{key}": _pinned for key in ("digest", "version")},
    "DatasetSpec.join": Section(either),
    **{f"Join.{key}": either for key in ("path", "id", "columns", "time", "within")},
    "DatasetSpec.hash": fewer_members,
    "DatasetSpec.drop": either,
    "DatasetSpec.ignore": more_members,
    "DatasetSpec.pinned": order(True, False),  # noqa: FBT003
    "DatasetSpec.slices": Entries("stricter", "looser", lambda spec: str(spec.slice_name)),
    "DatasetSpec.small_slices": small_slices,
    "DatasetSpec.keep_ids": neutral,
    "DatasetSpec.max_unused": higher,
    "DatasetSpec.max_repeated": higher,
    "DatasetSpec.not_in": fewer_members,
    "DatasetSpec.max_seen": higher,
    "DatasetSpec.answered_by": _asked,
    "DatasetSpec.recorded": Section(_taken_as_recorded),
    "VersionColumn.column": either,
    "Recording.tolerance": higher,
    **{f"NotIn.{key}": either for key in ("path", "digest", "training", "columns")},
    **{f"SliceSpec.{key}": either for key in ("column", "values", "bins", "quantiles", "where", "cross", "max")},
    "SliceSpec.name": neutral,
    "SliceSpec.find": neutral,  # what is searched is shown and never judged
    "FeatureSpec.type": _asked,
    "FeatureSpec.range": wider_range,
    "FeatureSpec.values": _more_values,
    "FeatureSpec.nulls": higher,
    "FeatureSpec.required": order(True, False),  # noqa: FBT003
    # the candidate's files
    "Artifact.allow": Section(either),
    **{f"AllowedParts.{key}": more_members for key in ("imports", "files")},
    "Artifact.scanners": fewer_members,
    "Artifact.signing": Section(_CHECKS),
    **{f"Signing.{key}": either for key in ("public_key", "signature")},
    # who signs, and how a version moves
    "SignoffPolicy.groups": Entries("changed", "changed", each=more_members),
    "SignoffPolicy.require": fewer_signatures,
    "SignoffPolicy.separation_of_duties": order(True, False),  # noqa: FBT003
    "SignoffPolicy.expires": higher,
    "SignoffPolicy.override": fewer_signatures,
    "SignoffPolicy.rollback": order("owner", "none"),
    "PromotionPolicy.when": order("merged", "approved"),
    "PromotionPolicy.branch": either,
    "PromotionPolicy.soak": lower,
    "PromotionPolicy.retain": lower,
    "PromotionPolicy.lease": neutral,
    "PromotionPolicy.way_back": _proven,
    "PromotionPolicy.switch": Section(_CHECKS),
    "PromotionPolicy.copy_to": either,
    "SwitchSpec.run": either,
    "SwitchSpec.timeout": neutral,
    "SwitchSpec.check": Section(_CHECKS),
    "CheckSpec.url": either,
    "CheckSpec.expect": either,
}


def direction_of(cls: type[BaseModel], field: str) -> Direction | Section | Entries | None:
    """Of a field, by the nearest class that has one for it; None where none has."""
    keys = (f"{base.__name__}.{field}" for base in cls.__mro__)
    return next((DIRECTIONS[key] for key in keys if key in DIRECTIONS), None)
