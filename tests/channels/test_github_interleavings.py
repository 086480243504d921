"""Whatever happens in whatever order: never approved without a quorum of distinct, allowed, unedited votes on the newest."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule

from hub.contract import github
from hub.deciding import asked, decided, seen, signoff
from hub.emulator import World, user

OWNERS = ("ana", "bo")
EVERYBODY = (*OWNERS, "dev", "mallory")


@dataclass
class Said:
    """A comment as somebody really wrote it, and what became of it."""

    number: int
    by: str
    verb: str
    digest: str | None = None
    edited: bool = False
    gone: bool = False

    @property
    def stands(self) -> bool:
        return not self.edited and not self.gone


@dataclass
class Told:
    """What really happened, kept by hand beside the emulator."""

    said: list[Said] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    current: str | None = None
    makers: set[str] = field(default_factory=lambda: {"dev"})
    runners: set[str] = field(default_factory=set)
    tampered: bool = False


class Story(RuleBasedStateMachine):
    """One pull request, its people, and somebody who may write and means no good."""

    comments = Bundle("comments")

    @initialize(quorum=st.sampled_from([1, 1, 2]))
    def begin(self, quorum: int) -> None:
        self.world, self.told, self.quorum = World(github()), Told(), quorum
        self._evaluated(self.world.run_gate("dev").digest, {"dev"})

    def _check(self, event: object = None) -> None:
        decision = decided(self.world, event, policy=signoff(*OWNERS, require=self.quorum))  # type: ignore[arg-type]
        good = self._good()
        if decision.state == "approved":
            assert len(good) >= self.quorum
            assert not self._vetoed()
            assert self.told.current is not None
            cast = seen(self.world).ballot(asked()).votes
            names = {vote.by.name for vote in cast if vote.sha256 in decision.counted}
            assert len(names) == self.quorum
            assert names <= good
        elif not self.told.tampered and self.told.current is not None and not self._vetoed():
            assert len(good) < self.quorum, decision

    def _good(self) -> set[str]:
        """Owners with no hand in it, whose last word is an approval of the newest evidence that nobody touched."""
        found = set()
        for name in set(OWNERS) - self.told.makers - self.told.runners:
            words = [one for one in self.told.said if one.by == name and one.verb != "chat"]
            closing = [one.number for one in words if one.verb in ("reject", "revoke")]
            opening = [
                one.number for one in words if one.verb == "approve" and one.stands and one.digest == self.told.current
            ]
            if opening and max(opening) > max(closing, default=0):
                found.add(name)
        return found

    def _vetoed(self) -> bool:
        """An owner rejected it, and neither revoked nor approved since in a comment that nobody touched."""
        for name in OWNERS:
            words = [one for one in self.told.said if one.by == name]
            rejected = max((one.number for one in words if one.verb == "reject"), default=0)
            lifted = [
                one.number
                for one in words
                if one.stands and (one.verb == "revoke" or (one.verb == "approve" and one.digest == self.told.current))
            ]
            if rejected > max(lifted, default=0):
                return True
        return False

    def _write(self, by: str, verb: str, body: str, digest: str | None = None) -> Said:
        event = self.world.comment(by, body)
        one = Said(event["comment"]["id"], by, verb, digest)
        self.told.said.append(one)
        self._check(event)
        return one

    @rule(
        target=comments,
        by=st.sampled_from(["ana", "bo", "mallory"]),
        word=st.sampled_from(["approve", "hello", "approve", "reject", "revoke", "old"]),
    )
    def speak(self, by: str, word: str) -> Said:
        digest = self.told.digests[0 if word == "old" else -1]
        verb = {"old": "approve", "hello": "chat"}.get(word, word)
        event = self.world.comment(by, self._body(word, digest))
        one = Said(event["comment"]["id"], by, verb, digest if verb == "approve" else None)
        self.told.said.append(one)
        self._check(event)
        return one

    @rule(
        target=comments, one=consumes(comments), by=st.sampled_from(EVERYBODY), word=st.sampled_from(["approve", "approve", "revoke", "reject", "hello"])
    )  # fmt: skip
    def edit(self, one: Said, by: str, word: str) -> Said:
        one.edited = self.told.tampered = True
        self._check(self.world.edit(one.number, by, self._body(word, self.told.digests[-1])))
        return one

    @rule(one=consumes(comments), by=st.sampled_from(EVERYBODY))
    def delete(self, one: Said, by: str) -> None:
        one.gone = self.told.tampered = True
        self._check(self.world.delete(one.number, by))

    @rule(
        what=st.sampled_from(["push", "run", "run", "rerun", "rerun", "merge"]),
        by=st.sampled_from(["dev", "dev", "dev", "ana", "mallory"]),
    )
    def go_on(self, what: str, by: str) -> None:
        if what == "merge":
            self.world.merge()
        elif what == "push":
            self.world.push(by)
            self.told.makers.add(by)
            self.told.current, self.told.runners = None, set()
        elif what == "rerun" and self.told.current is not None:
            self._evaluated(self.world.rerun(by).digest, {by, self.world.runs[-1]["actor"]["login"]})
        else:
            self._evaluated(self.world.run_gate(by).digest, {by})
        self._check()

    def _evaluated(self, digest: str, runners: set[str]) -> None:
        self.told.digests.append(digest)
        self.told.current, self.told.runners = digest, runners

    @staticmethod
    def _body(word: str, digest: str) -> str:
        plain = {"approve": f"/gate approve {digest}", "old": f"/gate approve {digest}"}
        return plain.get(word, word if word == "hello" else f"/gate {word}")


Story.TestCase.settings = settings(
    max_examples=150, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck)
)
TestStory = Story.TestCase


def test_a_quorum_is_reached_where_nobody_tampers() -> None:
    """Or the story above would hold of something that never opens."""
    world = World(github())
    digest = world.run_gate().digest
    policy = signoff(*OWNERS, require=2)
    world.comment("ana", f"/gate approve {digest}")
    assert decided(world, policy=policy).state == "pending"
    world.comment("bo", f"/gate approve {digest}")

    assert decided(world, policy=policy).state == "approved"
    assert user("ana") != user("bo")
