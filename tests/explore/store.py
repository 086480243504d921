"""What a registry holds while commands are explored, and how it answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from explore.remembered import Pairs, chain_of
from explore.tape import FIRST_COPY, Request
from lockgate.promotion.ledger.chain import Chain
from lockgate.registries.mlflow.registry import STAGES
from lockgate.registries.ports import Stages


@dataclass(frozen=True)
class Store:
    """What the registry holds, and what serves. note: who carries out an entry. published: facts, newest last.

    stages: version → stage, where those mirror the aliases. copies: version → that of another model which it is a copy of.
    """

    keys: Pairs = ()
    aliases: Pairs = ()
    note: str | None = None
    serving: str | None = None
    published: tuple[Pairs, ...] = ()
    stages: Pairs = ()
    copies: Pairs = ()

    @property
    def chain(self) -> Chain:
        return chain_of(self.keys)

    @property
    def is_held(self) -> bool:
        """Whether somebody has claimed what is not done, so that time decides something."""
        copying = {key for key, _ in self.keys if key.startswith("copying-")}
        copied = {key.replace("copied", "copying") for key, _ in self.keys if key.startswith("copied-")}
        return self.chain.unfinished is not None or bool(copying - copied)

    @property
    def misfit(self) -> str | None:
        """What the registry shows otherwise than a ledger of which all is done; None where all agrees."""
        place = self.chain.standing
        if not place.aliases.items() <= dict(self.aliases).items():
            return f"aliases are {dict(self.aliases)}, not {place.aliases}"
        due = place.stages_due(Stages(dict(self.stages), STAGES))
        return f"stages are {dict(self.stages)}, and {due} is due" if due else None

    def after(self, request: Request) -> tuple[Store, Any]:
        """The store after a request, and its answer."""
        words = request.arguments
        match request.name:
            case "keys":
                return self, (self.keys, self.note)
            case "aliases":
                return self, self.aliases
            case "stages":
                return self, self.stages
            case "loaded":  # of each stage the latest version
                latest = {stage: version for version, stage in self.stages}
                return self, (self.aliases, tuple(sorted((version, stage) for stage, version in latest.items())))
            case "copies":
                return self, tuple(version for version, source in self.copies if source == words[0])
            case "newest":
                return self, next(
                    (facts for facts in reversed(self.published) if dict(facts)["version"] == words[0]), None
                )
            case "put":
                keys = dict(self.keys)
                stands = keys.setdefault(words[0], words[1])
                return replace(self, keys=tuple(sorted(keys.items()))), stands
            case "set_alias":
                return replace(self, aliases=tuple(sorted((dict(self.aliases) | {words[0]: words[1]}).items()))), None
            case "delete_alias":
                return replace(self, aliases=tuple(pair for pair in self.aliases if pair[0] != words[0])), None
            case "show_holder":
                return replace(self, note=words[0]), None
            case "set_stage":
                archived = STAGES["archived"] if words[1] == STAGES["production"] else words[1]
                stages = {version: archived if stage == words[1] else stage for version, stage in self.stages}
                return replace(self, stages=tuple((stages | {words[0]: words[1]}).items())), None
            case "copy":
                version = str(FIRST_COPY + len(self.copies))
                return replace(self, copies=(*self.copies, (version, words[0]))), version
            case "switch":
                return replace(self, serving=words[0]), f"{words[0]} serves"
            case "publish":
                facts = tuple(tuple(word.partition("=")[::2]) for word in words)
                return replace(self, published=(*self.published, facts)), None  # type: ignore[arg-type]
        raise AssertionError(request)
