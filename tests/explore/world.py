"""Every interleaving of a few commands and a few faults: states, each looked at once, and what is wrong in them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, NamedTuple

from explore.commands import Actor, Command, Publish, Rollback, unapproved
from explore.store import Store
from explore.tape import VERSIONS, Answer, Direct, Ended, Failure, Request, Tape, play
from helpers.promoting import PROMOTION
from lockgate.promotion.ledger.chain import Chain
from lockgate.promotion.ledger.entry import MOVES, Entry

PATIENCE = 120  # seconds that a command after anything may wait in all
JUMP = int(PROMOTION.lease.total_seconds()) + 1  # how time passes: just longer than a lease


@dataclass(frozen=True)
class Scenario:
    """begins: commands that were done before. faults, jumps: how many at most. after: what somebody calls at any state."""

    name: str
    begins: tuple[Command, ...]
    actors: tuple[Actor, ...]
    faults: int
    jumps: int = 1
    preemptions: int | None = None
    after: tuple[Command, ...] = (Rollback("1"),)
    skews: tuple[int, ...] = ()
    refusals: bool = False

    @property
    def bounds(self) -> str:
        scripts = "; ".join(f"{actor.name}: {', then '.join(map(str, actor.script))}" for actor in self.actors)
        switches = (
            "" if self.preemptions is None else f", {self.preemptions} times that somebody else goes on in the middle"
        )
        return f"{scripts}; at most {self.faults} faults, {self.jumps} waits of {JUMP} s{switches}"


class Run(NamedTuple):
    """Where an actor is: at which command of its script, after which answers. over: killed, or through with its script.

    wrote: whether its last request wrote; writes: whether any of the command did.
    """

    position: int
    history: int
    over: bool = False
    wrote: bool = False
    writes: bool = False


OVER = Run(-1, -1, over=True)


class State(NamedTuple):
    store: int
    now: int
    jumps: int
    faults: int
    in_flight: tuple[Request, ...]
    runs: tuple[Run, ...]
    skews: tuple[int, ...]
    refused: bool = False
    calm: bool = True  # nobody was killed, was paused or lost anything so far, and all clocks agree
    current: int = -1
    preemptions: int = 0


@dataclass
class Report:
    scenario: Scenario
    states: int = 0
    moves: int = 0
    violations: dict[str, list[str]] = field(default_factory=dict)
    complete: bool = True


class Numbers:
    """Each value once, by a number."""

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}
        self.values: list[Any] = []

    def of(self, value: Any) -> int:
        number = self.numbers.setdefault(value, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


class Explorer:
    """Look at each state of a scenario once. seconds: of processor time, after which it is cut off."""

    def __init__(self, scenario: Scenario, *, seconds: float = 600) -> None:
        self.scenario, self.ends_at = scenario, time.process_time() + seconds
        self.stores, self.histories = Numbers(), Numbers()
        self.report = Report(scenario)
        self.answers: dict[int, tuple[int, tuple[Answer, ...]]] = {}
        self.steps: dict[tuple[Any, ...], Request | Ended] = {}
        self.same: dict[tuple[Any, ...], int] = {}
        self.alike: dict[tuple[Any, ...], int] = {}
        self.effects: dict[tuple[int, Request], tuple[int, Any]] = {}
        self.ends: dict[tuple[Any, ...], str | None] = {}
        self.came: dict[State, tuple[State | None, str]] = {}
        self.kinds = set[str]()
        self.pending: list[tuple[str, str]] = []  # lies of the move that is made
        self.publishes = any(isinstance(command, Publish) for actor in scenario.actors for command in actor.script)

    # -- commands

    def begin(self, at: int) -> int:
        number = self.histories.of(("began", at))
        self.answers.setdefault(number, (at, ()))
        return number

    def heard(self, history: int, answer: Answer) -> int:
        number = self.histories.of((history, answer))
        if number not in self.answers:
            began, answers = self.answers[history]
            self.answers[number] = (began, (*answers, answer))
        return number

    def step(self, actor: Actor, command: Command, history: int, refuses: bool = False) -> Request | Ended:
        key = (actor, command, history, refuses)
        if key not in self.steps:
            began, answers = self.answers[history]
            tape = Tape(answers, began, refuses)
            played = play(lambda tape: actor.run(command, tape), tape)
            if not isinstance(played, Ended):
                played, held = played
                self.same.setdefault((actor, command, refuses, held), history)
                self.alike[key] = self.same[(actor, command, refuses, held)]
            self.steps[key] = played
        return self.steps[key]

    def shortened(self, actor: Actor, command: Command, history: int, refuses: bool = False) -> int:
        """The first history after which the command stood where it stands after this one."""
        self.step(actor, command, history, refuses)
        return self.alike.get((actor, command, history, refuses), history)

    def effect(self, store: int, request: Request) -> tuple[int, Any]:
        if request.name == "is_gone":
            return store, True
        key = (store, request)
        if key not in self.effects:
            after, value = self.stores.values[store].after(request)
            self.effects[key] = self.stores.of(after), value
        return self.effects[key]

    def alone(self, actor: Actor, command: Command, store: int, now: int, refuses: bool = False) -> tuple[Ended, int]:
        """Run a command from its beginning to its end, with nobody else there."""

        def world(request: Request) -> Any:
            nonlocal store
            store, value = self.effect(store, request)
            return value

        played = play(lambda tape: actor.run(command, tape), Direct((), now, refuses, world=world))
        return played if isinstance(played, Ended) else Ended("endless"), store

    # -- states

    def explore(self) -> Report:
        scenario = self.scenario
        stages = tuple((version, "None") for version in VERSIONS) if scenario.actors[0].mirrors else ()
        store, setup = self.stores.of(Store(stages=stages)), replace(scenario.actors[0], name="setup", script=())
        for number, command in enumerate(scenario.begins):
            ended, store = self.alone(setup, command, store, number - 10 * len(scenario.begins))
            assert ended.fault is None, (command, ended)
        stack = list(self._firsts(store))
        self.came = dict.fromkeys(stack, (None, ""))
        while stack:
            state = stack.pop()
            self.report.states += 1
            if time.process_time() > self.ends_at:
                self.report.complete = False
                break
            self._look(state)
            for label, following in self._following(state):
                self.report.moves += 1
                while self.pending:
                    text, told = self.pending.pop()
                    self._violation(text, state, told)
                if following not in self.came:
                    self.came[following] = (state, label)
                    stack.append(following)
        return self.report

    def _firsts(self, store: int) -> Iterator[State]:
        scenario = self.scenario
        for skews in product((0, *scenario.skews), repeat=len(scenario.actors)):
            for refused in {False, scenario.refusals}:
                faults = scenario.faults - sum(map(bool, skews)) - refused
                if faults >= 0:
                    runs = tuple(Run(0, self.begin(skew)) for skew in skews)
                    yield State(
                        store,
                        0,
                        scenario.jumps,
                        faults,
                        (),
                        runs,
                        skews,
                        refused,
                        calm=not any(skews),
                        preemptions=scenario.preemptions or 0,
                    )

    def _following(self, state: State) -> Iterator[tuple[str, State]]:
        bounded = self.scenario.preemptions is not None
        midway = state.current >= 0 and self._midway(state.runs[state.current])
        for number, (actor, run) in enumerate(zip(self.scenario.actors, state.runs, strict=True)):
            if run.over:
                continue
            preempts = bounded and midway and number != state.current
            if preempts and not state.preemptions:
                continue
            begun = state._replace(current=number, preemptions=state.preemptions - preempts) if bounded else state
            yield from self._moves(begun, number, actor, run)
        for request in state.in_flight:
            store, _ = self.effect(state.store, request)
            self._judge(state, store, request, None, f"late: {request}")
            flying = list(state.in_flight)
            flying.remove(request)
            yield f"late: {request}", state._replace(store=store, in_flight=tuple(flying))
        if state.jumps:
            midway = any(map(self._midway, state.runs))
            if state.faults >= midway and (midway or self.stores.values[state.store].is_held):
                faults = state.faults - midway
                following = state._replace(now=state.now + JUMP, jumps=state.jumps - 1, faults=faults)
                yield f"{JUMP} s pass", following._replace(calm=state.calm and not midway)

    def _midway(self, run: Run) -> bool:
        return not run.over and bool(self.answers[run.history][1])

    def _moves(self, state: State, number: int, actor: Actor, run: Run) -> Iterator[tuple[str, State]]:
        command, now = actor.script[run.position], state.now + state.skews[number]
        if not self._midway(run):  # it begins now
            run = run._replace(history=self.begin(now))
        request = self.step(actor, command, run.history, state.refused)
        assert isinstance(request, Request)

        def after(
            store: int, value: Any, label: str, *, faults: int = 0, late: tuple[Request, ...] = ()
        ) -> tuple[str, State]:
            following = state._replace(
                store=store,
                faults=state.faults - faults,
                calm=state.calm and not faults,
                in_flight=tuple(sorted((*state.in_flight, *late), key=repr)) if late else state.in_flight,
            )
            heard = self.heard(run.history, Answer(value, now))
            mended = run._replace(history=heard, wrote=request.writes, writes=run.writes or request.writes)
            return self._at_once(following, number, actor, mended, label, now)

        label = f"{actor.name}: {request}"
        store, value = self.effect(state.store, request)
        if request.name == "is_gone":
            value = self._is_gone(state, int(request.arguments[0]))
        self._judge(state, store, request, command, label, run.history)
        yield after(store, value, label)
        if state.faults == 0 or request.name == "publish":
            return
        if run.wrote:  # to die anywhere before the next write is the same
            dead = self._with(state._replace(faults=state.faults - 1, calm=False), number, OVER)
            yield f"{actor.name} dies before {request}", dead
        if request.name == "switch":
            yield after(state.store, Failure("broken"), f"{label}, and it breaks", faults=1)
        elif not request.writes:
            if run.writes:
                yield after(state.store, Failure("away"), f"{label}, no answer", faults=1)
        elif request.name != "show_holder":
            if store != state.store:
                yield after(store, Failure("lost"), f"{label}, the answer is lost", faults=1)
                late = (request,)
                yield after(state.store, Failure("lost"), f"{label}, which comes late", faults=1, late=late)
            yield after(state.store, Failure("lost"), f"{label}, the request is lost", faults=1)

    def _at_once(self, state: State, number: int, actor: Actor, run: Run, label: str, now: int) -> tuple[str, State]:
        """Go on with what nobody else can disturb or notice: reads of what stays as it is, and the end of a command."""
        command = actor.script[run.position]
        step = self.step(actor, command, run.history, state.refused)
        while isinstance(step, Request) and (
            step.name == "show_holder" or (step.name == "newest" and not self.publishes)
        ):
            store, value = self.effect(state.store, step)
            state = state._replace(store=store)
            run = run._replace(history=self.heard(run.history, Answer(value, now)))
            step = self.step(actor, command, run.history, state.refused)
        if not isinstance(step, Ended):
            run = run._replace(history=self.shortened(actor, command, run.history, state.refused))
            return label, self._with(state, number, run)
        following = self._with(state, number, OVER)
        if run.position + 1 < len(actor.script):
            following = self._with(state, number, Run(run.position + 1, self.begin(0)))
        label += f", and is told {step.fault or 'done'}"
        chain: Chain = self.stores.values[state.store].chain
        if step.fault in ("in_progress", "overtaken"):
            for entry in chain.entries:
                if entry.actor.id == actor.name and command.is_meant(entry) and chain.ending(entry) == "done":
                    self.pending.append((f"{command} is told {step.fault}, and epoch {entry.epoch} is its own", label))
        if step.fault is None:
            lie = command.lie(step, chain)
            if lie is not None:
                self.pending.append((f"{command} ends with 0 {lie}", label))
        return label, following

    def _is_gone(self, state: State, pid: int) -> bool:
        name = pid.to_bytes(8, "big").decode().strip("\0")
        return all(run.over for actor, run in zip(self.scenario.actors, state.runs, strict=True) if actor.name == name)

    def _with(self, state: State, number: int, run: Run) -> State:
        return state._replace(runs=(*state.runs[:number], run, *state.runs[number + 1 :]))

    # -- what must hold

    def _judge(
        self, state: State, store: int, request: Request, command: Command | None, label: str, history: int = -1
    ) -> None:
        if store == state.store:
            return
        before: Store = self.stores.values[state.store]
        after: Store = self.stores.values[store]
        chain, shown = after.chain, dict(after.aliases)
        if chain.bad is not None:
            self._violation(f"the ledger is broken: {chain.bad}", state, label)
        if shown.get("production") not in VERSIONS:
            self._violation("nothing is Production", state, label)
        version = _moved(request)
        if version and not any(version == entry.target and entry.kind in MOVES for entry in chain.entries):
            self._violation(f"version {version} moves without an entry", state, label)
        if request.name == "put" and request.arguments[0].startswith("epoch-") and command is not None:
            entry = Entry.read(request.arguments[1])
            wrong = unapproved(entry, before.chain, command) or self._older(before, request, history)
            if entry.kind in MOVES and entry.copied and (entry.target, entry.copied.version) not in before.copies:
                wrong = f"{entry.target} is no copy of {entry.copied}"
            if wrong is not None:
                self._violation(f"a move without its approval: {wrong}", state, label)
        place = chain.standing
        held = [version for version, its in place.states.items() if its == "production"]
        if len(held) != 1:
            self._violation(f"{len(held)} versions are Production by the ledger", state, label)

    def _older(self, before: Store, request: Request, history: int) -> str | None:
        """Whether evidence was promoted though the command had read that another was published after it."""
        entry = Entry.read(request.arguments[1])
        read = [answer.value for answer in self.answers[history][1] if answer.value in before.published]
        if entry.kind == "promoted" and read and dict(read[-1])["digest"] != entry.evidence:
            return "it rests on evidence that is not the newest published"
        return None

    def _look(self, state: State) -> None:
        """Whoever comes now, and finds everybody dead, ends in time and leaves all as the ledger says.

        Once on the machine where they died, and once elsewhere.
        """
        if state.calm and all(run.over for run in state.runs):
            self._quiet(state)
        for command in self.scenario.after:
            for blind in (False, True):
                key = (state.store, state.now, state.refused, command, blind)
                if key not in self.ends:
                    self.ends[key] = self._wrong_after(state, command, blind=blind)
                if self.ends[key] is not None:
                    self._violation(f"afterwards {command} {self.ends[key]}", state, f"then {command}")

    def _quiet(self, state: State) -> None:
        store: Store = self.stores.values[state.store]
        if store.chain.unfinished is not None:
            return
        place = store.chain.standing
        if store.misfit is not None:
            self._violation(f"all ended, and {store.misfit}", state, "the end")
        sources = [source for _, source in store.copies]
        if len(sources) > len(set(sources)):
            self._violation("all ended, and a version was copied twice", state, "the end")
        if self.scenario.actors[0].switches and store.serving != place.production:
            self._violation(f"all ended, and {store.serving} serves, not {place.production}", state, "the end")

    def _wrong_after(self, state: State, command: Command, *, blind: bool) -> str | None:
        actor = replace(self.scenario.actors[0], name="night", script=(), blind=blind)
        now = state.now
        while True:
            ended, store = self.alone(actor, command, state.store, now, state.refused)
            if ended.fault != "in_progress":
                break
            before, waiting = self.stores.values[state.store], self.stores.values[store]
            held = waiting.chain.unfinished
            if not blind and held is not None and held.sha256 in (before.note or ""):
                return "waits for a process of this machine that is gone"
            now += 30
            if now > state.now + PATIENCE:
                return f"still waits after {PATIENCE} s"
        after: Store = self.stores.values[store]
        if ended.fault in ("already_production", "withdrawn_target", None):
            if after.chain.unfinished is not None:
                return "leaves an entry unfinished"
            if after.misfit is not None:
                return f"leaves what is not so: {after.misfit}"
            lie = command.lie(ended, after.chain) if ended.fault is None else None
            return None if lie is None else f"ends with 0 {lie}"
        return f"ends with {ended.fault}: {ended.message}"

    def _violation(self, text: str, state: State, label: str) -> None:
        kind = re.sub(r"[0-9]+", "N", text)
        if kind in self.kinds:
            return
        self.kinds.add(kind)
        trace, at = [label], state
        while True:
            previous, name = self.came[at]
            if previous is None:
                break
            trace.append(name)
            at = previous
        first = [
            f"{actor.name}'s clock is {skew} s ahead"
            for actor, skew in zip(self.scenario.actors, state.skews, strict=True)
            if skew
        ]
        first += ["tags are refused"] if state.refused else []
        self.report.violations[text] = [*first, *reversed(trace)]


def _moved(request: Request) -> str | None:
    """The version that a request makes Production, None for any other."""
    if request.name == "set_alias" and request.arguments[0] == "production":
        return request.arguments[1]
    return request.arguments[0] if request.name == "set_stage" and request.arguments[1] == "Production" else None
