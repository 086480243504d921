"""One model, and many processes that want to move it; each writes down what it asked for and what it was told."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from helpers import moving
from helpers.calls import register
from helpers.promoting import POLICY, evidence, run_folder, signed, ssh_key
from lockgate.errors import LockgateError, Refused, RegistryError, UnknownOutcome, Waiting
from lockgate.evidence.evidence import Evidence
from lockgate.promotion import apply
from lockgate.promotion.ledger.chain import Chain, read_chain
from lockgate.promotion.ledger.policy import PromotionPolicy
from lockgate.promotion.ledger.projection import all_tags, differing_tags
from lockgate.promotion.operator import Clock
from lockgate.promotion.outcome import Outcome
from lockgate.registries.mlflow.registry import MlflowRegistry
from lockgate.registries.ports import ModelVersion
from lockgate.signoff import ssh
from lockgate.signoff.decision import Ballot
from lockgate.signoff.identity import Identity
from lockgate.signoff.policy import Owner, SignoffPolicy

Votes = list[tuple[bytes, bytes]]
HURRY = PromotionPolicy(lease="5s")
PROCESSES = multiprocessing.get_context("forkserver")  # a worker that was killed is back at once
PROCESSES.set_forkserver_preload(
    [
        "helpers.crowd_life",
        "alembic.command",
        "mlflow.store.model_registry.sqlalchemy_workspace_store",
        "mlflow.store.tracking.sqlalchemy_workspace_store",
        "sqlalchemy.dialects.sqlite",
    ]
)


def begin(python: str) -> None:
    """Start what processes are forked from, once, under an interpreter that may have imported all that they need."""
    multiprocessing.set_executable(python)
    try:
        forkserver.ensure_running()
    finally:
        multiprocessing.set_executable(sys.executable)


@dataclass(frozen=True)
class World:
    """A model whose version 1 is Production, and everything that a process needs to promote another version of it.

    lifecycle: `aliases`, or `stages`, which then mirror them.
    """

    uri: str
    model: str
    folder: Path
    key: Path
    versions: tuple[ModelVersion, ...]
    lifecycle: str = "aliases"

    @classmethod
    def make(cls, uri: str, folder: Path, *, versions: int, lifecycle: str = "aliases") -> World:
        model = f"fraud-{uuid.uuid4().hex[:6]}"
        made = tuple(register(uri, model, number, folder) for number in range(1, versions + 1))
        world = cls(uri, model, folder, ssh_key(folder, "olga"), made, lifecycle)
        moving.adopt(
            world.registry(), model, version="1", reason="it runs", promotion=HURRY, actor=who("setup"), clock=now
        )
        return world

    def registry(self, uri: str | None = None) -> MlflowRegistry:
        """As a new process opens it: straight at the server, or at another address."""
        return MlflowRegistry(uri or self.uri, lifecycle=self.lifecycle)

    @property
    def signoff(self) -> SignoffPolicy:
        owner = Owner(key=ssh.public_key(self.key))
        return SignoffPolicy(groups={"owners": (owner,)}, require={"owners": 1}, separation_of_duties=False)

    def evaluate(self, version: ModelVersion) -> tuple[Evidence, Path, Votes]:
        """Fresh evidence about a version, compared with version 1 whoever is Production, its run folder and an approval."""
        made = evidence(self.model, version, champion=self.versions[0], finished=now())
        return made, run_folder(made, self.folder / uuid.uuid4().hex), [signed(made, self.key, at=now())]

    def promote(
        self,
        registry: MlflowRegistry,
        made: Evidence,
        run: Path,
        *,
        approvals: Votes,
        actor: Identity,
        clock: Clock,
        **more: Any,
    ) -> Outcome:
        read, objections = ssh.read_votes(approvals, self.signoff)
        return moving.promote(
            registry,
            made,
            **{
                "signoff": self.signoff,
                "promotion": HURRY,
                "policy_digest": POLICY,
                "ballot": Ballot(read, objections, ()),
                "actor": actor,
                "clock": clock,
                "scratch": self.folder / "scratch" / uuid.uuid4().hex,
                "prove": lambda version: None,
                "folder": run,
                "votes": approvals,
                "follows_production": False,
                **more,
            },
        )

    def rollback(
        self, registry: MlflowRegistry, *, actor: Identity, clock: Clock, to: str | None = None, **more: Any
    ) -> Outcome:
        return moving.rollback(
            registry, self.model, to=to, reason="it stalls", promotion=HURRY, actor=actor, clock=clock,
            withdrawn_ok=to is not None, **more,
        )  # fmt: skip

    def settle(self) -> Outcome:
        """The next command, after every lease: version 3 is promoted, straight at the server.

        Where that first finishes its withdrawal, which it dates after the evidence, it is brought back.
        """
        made, run, votes = self.evaluate(self.versions[2])
        settler: dict[str, Any] = {"actor": who("settler"), "clock": after_every_lease}
        try:
            return self.promote(self.registry(), made, run, approvals=votes, **settler)
        except Refused as refused:
            if refused.code != "withdrawn":
                raise
            return self.rollback(self.registry(), to=self.versions[2].version, **settler)

    @property
    def chain(self) -> Chain:
        return read_chain(self.registry().ledger(self.model).keys())

    def differences(self) -> list[str]:
        """Where ledger and registry do not say the same, with everything carried out; none where all is well."""
        registry, chain = self.registry(), self.chain
        if chain.bad is not None:
            return [f"the ledger is broken: {chain.bad}"]
        if chain.unfinished is not None:
            return [f"epoch {chain.unfinished.epoch} is unfinished"]
        place, seen = chain.standing, registry.aliases(self.model)
        found = [
            f"{name} is {seen.get(name)}, not {version}"
            for name, version in place.aliases.items()
            if seen.get(name) != version
        ]
        stages = MlflowRegistry(self.uri, lifecycle="stages").stages(self.model)
        due = place.stages_due(stages) if self.lifecycle == "stages" else {}
        found += [f"version {version} is not in the stage {stage}" for version, stage in due.items()]
        if self.lifecycle == "aliases":
            found += [
                f"version {one} was moved to the stage {stage}"
                for one, stage in stages.by_version.items()
                if stage != "None"
            ]
        shown = {one.version: one.tags for one in registry.versions(self.model)}
        wrong = differing_tags(all_tags(chain.finished), shown)
        return found + [f"version {version} is not tagged {tags}" for version, tags in wrong.items()]

    def lies(self, log: Path) -> list[str]:
        """What a process was told about its own request, and the ledger knows better."""
        chain = self.chain
        bytes_of = {entry.sha256: entry for entry in chain.entries}
        mine = {entry.actor.id: entry for entry in chain.entries}
        found = []
        for one in told(log):
            entry = mine.get(one["attempt"])
            if one["told"] == "done" and one["entry"] not in bytes_of:
                found.append(f"{one['worker']} was told done, and no entry is {one['entry']}")
            if one["told"] == "done" and one["entry"] in bytes_of and bytes_of[one["entry"]].epoch not in chain.done:
                found.append(f"{one['worker']} was told done, and epoch {bytes_of[one['entry']].epoch} is not")
            if one["told"] == "done" and one.get("to") not in (None, bytes_of[one["entry"]].target):
                found.append(f"{one['worker']} was told done, and version {one['to']} is not what it came back to")
            if one["told"] == "refused" and entry is not None and entry.epoch in chain.done:
                found.append(f"{one['worker']} was told {one['code']}, and epoch {entry.epoch} is its own")
            if one["told"] == "broke":
                found.append(f"{one['worker']} broke: {one['code']}")
        return found


class Watch:
    """Looks at the registry all the time, from a thread; `wrong` are samples without exactly one Production.

    By alias, and where stages mirror the aliases by stage too.
    """

    def __init__(self, world: World) -> None:
        self.world, self.samples, self.wrong = world, 0, list[str]()
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self.thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.enough.set()
        self.thread.join()

    def _look(self) -> None:
        registry, mirrored = self.world.registry(), self.world.lifecycle == "stages"
        while not self.enough.wait(0.1):
            try:
                holds = registry.aliases(self.world.model).get("production")
                shown = registry.stages(self.world.model).by_version
            except RegistryError:  # the server is away: nobody sees anything
                continue
            self.samples += 1
            staged = [version for version, stage in shown.items() if stage == "Production"]
            if holds is None or len(staged) != mirrored:
                self.wrong.append(f"the alias production is {holds}, and in stage Production are {staged}")


def now() -> datetime:
    return datetime.now(UTC)


def after_every_lease() -> datetime:
    return now() + 2 * HURRY.lease


def who(attempt: str, name: str = "somebody") -> Identity:
    return Identity("unverified", attempt, name)


def told(log: Path) -> Iterator[dict[str, Any]]:
    """Everything that processes wrote down. A line that was cut by a SIGKILL says nothing."""
    for path in sorted(log.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue


class Worker:
    """One process of several: asks for promotions and rollbacks, and writes down what it was told."""

    def __init__(self, world: World, uri: str, name: str, log: Path) -> None:
        self.world, self.registry, self.name = world, world.registry(uri), name
        self.path = log / f"{name}.jsonl"
        self.known: dict[str, tuple[Evidence, Path, Votes]] = {}

    def evaluate(self, version: ModelVersion) -> tuple[Evidence, Path, Votes]:
        if version.version not in self.known:
            self.known[version.version] = self.world.evaluate(version)
        return self.known[version.version]

    def promote(self, version: ModelVersion, *, clock: Clock = now, **more: Any) -> str:
        made, run, votes = self.evaluate(version)

        def ask(actor: Identity) -> Outcome:
            return self.world.promote(self.registry, made, run, approvals=votes, actor=actor, clock=clock, **more)

        said = self._ask("promote", ask)
        if said.get("code") in ("withdrawn", "not_newest"):
            del self.known[version.version]
        return str(said["told"])

    def rollback(self, *, clock: Clock = now, to: str | None = None, at_once: str | None = None) -> str:
        ask = partial(self.world.rollback, self.registry, clock=clock, to=to, at_once=at_once)
        return str(self._ask("rollback", lambda actor: ask(actor=actor), to=to)["told"])

    def stage(self, version: ModelVersion, *, clock: Clock = now) -> str:
        made, run, _ = self.evaluate(version)

        def ask(actor: Identity) -> Outcome:
            return moving.record_staging(self.registry, made, folder=run, promotion=HURRY, actor=actor, clock=clock)

        return str(self._ask("stage", ask)["told"])

    def archive(self, *, clock: Clock = now) -> str:
        at_once = HURRY.model_copy(update={"soak": timedelta(0)})

        def ask(actor: Identity) -> Any:
            return moving.archive(self.registry, self.world.model, promotion=at_once, actor=actor, clock=clock)

        return str(self._ask("archive", ask)["told"])

    def _ask(self, asked: str, ask: Callable[[Identity], Any], to: str | None = None) -> dict[str, Any]:
        attempt = uuid.uuid4().hex
        said: dict[str, Any] = {"worker": self.name, "attempt": attempt, "asked": asked, "to": to}
        self._write(said | {"told": "nothing yet"})
        try:
            outcome = ask(who(attempt, self.name))
            idle = getattr(outcome, "already", outcome.entry is None)
            said |= {"told": "already" if idle else "done", "entry": outcome.entry and outcome.entry.sha256}
        except (Waiting, Refused) as refusal:
            said |= {"told": "refused", "code": refusal.code}
        except UnknownOutcome as unknown:
            said |= {"told": "unknown", "code": unknown.message}
        except RegistryError as error:
            said |= {"told": "no answer", "code": error.message}
        except LockgateError as error:
            said |= {"told": "broke", "code": f"{type(error).__name__}: {error.message}"}
        self._write(said)
        return said

    def _write(self, said: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(said) + "\n")


def race(world: World, version: ModelVersion, ready: Any, log: Path) -> None:
    """Promote one version when all others are ready to promote theirs."""
    worker = Worker(world, world.uri, f"version {version.version}", log)
    worker.evaluate(version)
    ready.wait()
    worker.promote(version)


def begin_ledger(uri: str, model: str, number: int, ready: Any, told: Any) -> None:
    """Begin the ledger and write the same key as all others, at once; tell what stands there."""
    ledger = MlflowRegistry(uri).ledger(model)
    ledger.keys()
    ready.wait()
    told.put((number, ledger.put_if_absent("epoch-1", f"by {number}")))


def die(world: World, step: str, log: Path) -> None:
    """Promote version 2, and be killed where the next thing to do is `step`. Before it claims, version 3 may come first.

    `set_stage`: between the write of the alias and that of the stage.
    """
    decide = apply.next_step

    def next_step(*arguments: Any, **more: Any) -> Any:
        found = decide(*arguments, **more)
        if type(found).__name__ == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    def prove(version: ModelVersion) -> None:
        if step == "Overtaken":
            Worker(world, world.uri, "faster", log).promote(world.versions[2])

    def set_stage(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    apply.next_step = next_step
    if step == "set_stage":
        MlflowRegistry.set_stage = set_stage  # type: ignore[method-assign]
    Worker(world, world.uri, "killed", log).promote(
        world.versions[1], prove=prove, switch_traffic=lambda entry: f"serving shows {entry.target}"
    )


def interrupted(chain: Chain, log: Path) -> int:
    """How many entries lost the process that had claimed them to a kill, and were ended by another one."""
    heard = Counter(one["attempt"] for one in told(log))
    return sum(
        heard[entry.actor.id] == 1 and entry.epoch in chain.done and chain.done[entry.epoch].actor.id != entry.actor.id
        for entry in chain.entries
    )


def counts(log: Path) -> Counter[str]:
    """What was told, and how often."""
    found = Counter(one["told"] for one in told(log))
    found["killed"] = found.pop("nothing yet", 0) - sum(found.values())
    return found


def healed(world: World, watch: Watch, log: Path) -> None:
    """The next command puts everything right, and nothing was wrong that it cannot put right."""
    world.settle()
    assert world.differences() == []
    assert world.lies(log) == []
    assert watch.wrong == []
