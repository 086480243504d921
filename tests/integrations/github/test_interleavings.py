"""Whatever happens in whatever order: never approved without a quorum of distinct, allowed, unedited votes on the newest."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule, run_state_machine_as_test

from helpers.hub.contract import github
from helpers.hub.deciding import asked, event_of, seen, signoff
from helpers.hub.emulator import World, user
from helpers.promoting import POLICY
from lockgate.integrations.github.pull_request_state import PullRequestState
from lockgate.signoff.decision import SignoffDecision

OWNERS = ("ana", "bo", "cy")
WRITERS = (*OWNERS, "dev", "mallory")
# A stranger; an owner's login in other hands; an owner's account through an app, and as a bot has it.
PRETENDERS = ("mallory", "ana elsewhere", "bo by an app", "cy as a bot")
SPELT = ("/gate reject", "**/Gate\u00a0rejected:** it flips", "> does it?\r\n\r\n- /gate-reject!")
EXPIRES = timedelta(days=7)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(eq=False)
class Word:
    """What a comment said from some moment on.

    opens: a person wrote it, and nobody touched it since. noticed: somebody decided while it stood there.
    """

    comment: int
    owner: str | None
    verb: str
    digest: str
    at: datetime
    opens: bool
    stands: bool = True
    noticed: bool = False


@dataclass
class Told:
    """What really happened, kept by hand beside the emulator, and what should follow from it."""

    words: list[Word] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    current: str | None = None
    finished: datetime = LONG_AGO
    passes: bool = True
    policy: str = POLICY
    judged_by: str = POLICY
    owners: set[str] = field(default_factory=lambda: set(OWNERS))
    makers: set[str] = field(default_factory=lambda: {"dev"})
    runners: set[str] = field(default_factory=set)
    touched: bool = False
    state: str = "open"
    blurred: bool = False  # somebody changed a comment that closes; when it closed is then not foretold

    def may_open(self, when: str, now: datetime) -> bool:
        """Whether there is something that votes could open."""
        ready = self.state == "merged" or (self.state == "open" and when == "approved")
        fits = self.passes and self.policy == self.judged_by and not self.touched
        return self.current is not None and fits and ready and now < self.finished + EXPIRES

    def votes(self, now: datetime) -> dict[str, set[int]]:
        """Owner → the comments in which they approve the newest evidence, of those who may and took nothing back since."""
        found = {}
        for name in self.owners - self.makers - self.runners:
            closed = self._last(name, "reject", "revoke")
            opening = {word.comment for word in self._approvals(name) if closed < word.at and now < word.at + EXPIRES}
            if opening:
                found[name] = opening
        return found

    def vetoed(self) -> bool:
        """Whether an owner rejected it, and neither revoked nor approved since in a comment that nobody touched."""
        return any(LONG_AGO < self._last(name, "reject") >= self._lifted(name) for name in self.owners)

    def held(self) -> bool:
        """Whether an owner said what nobody understands, and did not make it clear since."""
        return any(LONG_AGO < self._last(name, "hold") >= self._lifted(name) for name in self.owners)

    def _lifted(self, name: str) -> datetime:
        """When an owner last opened what they closed; an approval that was taken back, whoever did it, opens nothing."""
        revoked = [word for word in self.words if (word.owner, word.verb) == (name, "revoke")]
        taken_back = max((word.at for word in revoked if word.noticed and not word.opens), default=LONG_AGO)
        lifted = [word.at for word in revoked if word.opens]
        lifted += [word.at for word in self._approvals(name) if word.at > taken_back]
        return max(lifted, default=LONG_AGO)

    def _approvals(self, name: str) -> list[Word]:
        wanted = (name, "approve", self.current, True)
        return [word for word in self.words if (word.owner, word.verb, word.digest, word.opens) == wanted]

    def _last(self, name: str, *verbs: str) -> datetime:
        said = [word.at for word in self.words if word.owner == name and word.verb in verbs and word.noticed]
        return max(said, default=LONG_AGO)


class Story(RuleBasedStateMachine):
    """One pull request, its people, and somebody who may write and means no good."""

    comments = Bundle("comments")
    ended: ClassVar[Counter[tuple[str, int]]] = Counter()

    @initialize(quorum=st.sampled_from([1, 1, 2]), when=st.sampled_from(["approved", "approved", "merged"]))
    def begin(self, quorum: int, when: str) -> None:
        self.world, self.told, self.quorum, self.when = World(github()), Told(), quorum, when
        self.events: list[tuple[dict[str, Any], list[Word]]] = []
        self._evaluated(self.world.run_gate("dev").digest, {"dev"})

    # what people do ---------------------------------------------------------------------------------------------

    @rule(target=comments, by=st.sampled_from(OWNERS), seconds=st.sampled_from([1, 1, 0]))
    def approve(self, by: str, seconds: int) -> Word:
        return self._speak(by, "approve", self.told.digests[-1], seconds)

    @rule()
    def pretend(self) -> None:
        """Everybody approves who is no owner, or does not write as one."""
        for by in PRETENDERS:
            self._speak(by, "approve", self.told.digests[-1], lost=by != PRETENDERS[-1])

    @rule(target=comments, by=st.sampled_from(OWNERS), verb=st.sampled_from(["reject", "reject", "revoke", "hold"]))
    def close(self, by: str, verb: str) -> Word:
        return self._speak(by, verb, "")

    @rule(
        target=comments,
        by=st.sampled_from([*OWNERS, *PRETENDERS]),
        word=st.sampled_from(["hello", "old", "reject", "revoke"]),
        seconds=st.sampled_from([1, 0]),
    )
    def speak(self, by: str, word: str, seconds: int) -> Word:
        return self._speak(by, "approve" if word == "old" else word, self.told.digests[0], seconds)

    @rule(seconds=st.sampled_from([1, 0]))
    def agree(self, seconds: int) -> None:
        """Two owners approve, one after the other or in the same second."""
        for name in ("ana", "cy"):
            self._speak(name, "approve", self.told.digests[-1], seconds)

    def _speak(self, by: str, verb: str, digest: str, seconds: int = 1, *, lost: bool = False) -> Word:
        """seconds: since what happened last; none where two things happen in the same one."""
        self.world.now -= timedelta(seconds=1 - seconds)
        name, _, how = by.partition(" ")
        account = {"elsewhere": {**user(name), "id": 999_999}, "as a bot": {**user(name), "type": "Bot"}}.get(how)
        app = {"performed_via_github_app": github().example("apps/get-by-slug")} if how == "by an app" else {}
        event = self.world.comment(name, self._body(verb, digest, person=how != "as a bot"), account=account, **app)
        event["sender"] |= account or {}
        owner = name if name in OWNERS and how != "elsewhere" else None
        word = Word(event["comment"]["id"], owner, verb, digest, self.world.now, opens=not how)
        self.told.words.append(word)
        self._happened(event, [], lost=lost)
        return word

    @rule(
        by=st.sampled_from(OWNERS),
        verb=st.sampled_from(["reject", "revoke", "hold"]),
        lost=st.sampled_from([(False, False), (True, False), (False, True)]),
    )
    def take_away(self, by: str, verb: str, lost: tuple[bool, bool]) -> None:
        """An owner closes, and somebody deletes that at once."""
        self._delete(self._speak(by, verb, "", lost=lost[0]), "mallory", lost=lost[1])

    @rule(
        target=comments,
        one=consumes(comments),
        by=st.sampled_from(WRITERS),
        verb=st.sampled_from(["approve", "approve", "reject", "reject", "revoke"]),
        lost=st.sampled_from([False, False, True]),
    )
    def edit(self, one: Word, by: str, verb: str, lost: bool) -> Word:
        return self._edit(one, by, verb, lost=lost)

    @rule(target=comments, by=st.sampled_from(OWNERS), verb=st.sampled_from(["approve", "approve", "reject", "revoke"]))
    def turn(self, by: str, verb: str) -> Word:
        """Somebody turns what an owner said into an approval; or, once they approve, into what closes."""
        before = self._speak(by, "hello", "", lost=True)
        if verb != "approve":
            self._speak(by, "approve", self.told.digests[-1])
        return self._edit(before, "mallory", verb)

    def _edit(self, one: Word, by: str, verb: str, *, lost: bool = False) -> Word:
        digest = self.told.digests[-1]
        person = self.world.comments[one.comment]["user"]["type"] == "User"
        event = self.world.edit(one.comment, by, self._body(verb, digest, person=person))
        new = Word(one.comment, one.owner, verb, digest, self.world.now, opens=False)
        one.opens = one.stands = False
        self.told.blurred |= one.verb in ("reject", "revoke", "hold")
        self.told.words.append(new)
        self._happened(event, [one], lost=lost)
        return new

    @rule(one=consumes(comments), by=st.sampled_from(WRITERS), lost=st.sampled_from([False, False, True]))
    def delete(self, one: Word, by: str, lost: bool) -> None:
        self._delete(one, by, lost=lost)

    def _delete(self, one: Word, by: str, *, lost: bool) -> None:
        one.opens = one.stands = False
        self._happened(self.world.delete(one.comment, by), [one], lost=lost)

    @rule(
        what=st.sampled_from(
            ["push", "pushed", "run", "rerun", "rerun", "broken", "fail", "elsewhere", "merge", "merge"]
        ),
        by=st.sampled_from(["dev", "dev", "dev", "ana", "bo"]),
    )
    def go_on(self, what: str, by: str) -> None:
        told = self.told
        if what == "merge":
            self.world.merge()
            told.state = "merged"
        elif what in ("push", "pushed"):
            self.world.push(by)
            told.makers.add(by)
            told.current, told.runners = None, set()
            if what == "pushed":
                self._evaluated(self.world.run_gate("dev").digest, {"dev"})
        elif what == "rerun" and told.current is not None:
            self._evaluated(self.world.rerun(by).digest, {by, self.world.runs[-1]["actor"]["login"]})
        elif what == "broken":  # a new attempt that leaves no evidence
            self.world.runs[-1]["run_attempt"] += 1
            told.current = None
        elif what == "fail":
            self._evaluated(self.world.run_gate(by, verdict="fail", opens="no").digest, {by}, passes=False)
        elif what == "elsewhere":  # evidence of another commit than the head
            self._evaluated(self.world.run_gate(by, commit="e" * 40).digest, {by}, passes=False)
        else:
            self._evaluated(self.world.run_gate(by).digest, {by})
        self._check()

    @rule(
        what=st.sampled_from(
            ["close", "open", "draft", "draft", "touch", "co-author", "owners", "policy", "days", "again"]
        )
    )
    def befall(self, what: str) -> None:
        """What happens less often."""
        told = self.told
        if what in ("close", "open", "draft") and told.state != "merged":
            told.state = {"close": "closed"}.get(what, what)
            self.world.pull |= {"state": "closed" if what == "close" else "open", "draft": what == "draft"}
        elif what in ("touch", "co-author"):
            told.touched |= what == "touch"
            told.makers |= {"cy"} if what == "co-author" else set()
            trailer = f"Co-authored-by: C <{user('cy')['id']}+cy@users.noreply.github.com>"
            self.world.push("dev", message=f"x\n\n{trailer}" if what == "co-author" else "x",
                            files=["gates/fraud.yaml"] if what == "touch" else [])  # fmt: skip
            self._evaluated(self.world.run_gate("dev").digest, {"dev"})
        elif what == "owners":
            told.owners ^= {"bo"}
        elif what == "policy":
            told.policy = self.world.policy = "sha256:" + ("b" if told.policy == POLICY else "a") * 64
        elif what == "days":
            self.world.now += timedelta(days=8)
        elif what == "again" and self.events:
            self._happened(*self.events[len(told.words) % len(self.events)])
        self._check()

    @rule(by=st.sampled_from(OWNERS), what=st.sampled_from(["push", "pushed", "run", "run", "rerun"]))
    def meddle(self, by: str, what: str) -> None:
        """An owner has a hand in it, and then approves."""
        self.go_on(what, by)
        if what == "push":
            self._evaluated(self.world.run_gate("dev").digest, {"dev"})
        elif what == "run":  # somebody else runs it again
            self.go_on("rerun", "dev")
        self._speak(by, "approve", self.told.digests[-1])

    def _evaluated(self, digest: str, runners: set[str], *, passes: bool = True) -> None:
        told = self.told
        told.digests.append(digest)
        told.current, told.runners, told.passes = digest, runners, passes
        told.finished, told.judged_by = self.world.now, told.policy

    def _body(self, verb: str, digest: str, *, person: bool = True) -> str:
        """A person spells a rejection in one way or another: it counts all the same."""
        reject = SPELT[len(self.told.words) % len(SPELT) if person else 0]
        return {"approve": f"/gate approve {digest}", "hello": "hello", "reject": reject}.get(verb, f"/gate {verb}")

    # what is decided --------------------------------------------------------------------------------------------

    def _happened(self, event: dict[str, Any], before: list[Word], *, lost: bool = False) -> None:
        """before: what the event tells that it stood there. lost: GitHub tells nobody, and so nobody decides."""
        if not lost:
            self.events.append((event, before))
            self._check(event, before)

    def _check(self, event: dict[str, Any] | None = None, before: list[Word] | None = None) -> None:
        told, now = self.told, self.world.now
        for word in told.words:
            word.noticed |= word.owner in told.owners and (word.stands or word in (before or ()))
        decision, looked = self._decided(event)
        votes = told.votes(now)
        opens = told.may_open(self.when, now)
        self.ended[decision.state, self.quorum] += 1
        if decision.state == "approved":
            assert opens
            assert not told.vetoed()
            assert not told.held()
            assert len(votes) >= self.quorum
            self._rests_on(looked, decision, votes)
        elif not told.blurred:
            assert not (opens and not told.vetoed() and not told.held() and len(votes) >= self.quorum), decision
            early = told.may_open("approved", now)  # a veto is told before the merge that opens
            assert (decision.state == "rejected") == (early and told.vetoed()), decision

    def _decided(self, event: dict[str, Any] | None) -> tuple[SignoffDecision, PullRequestState]:
        """As the job decides, everything read anew; what it must not forget is kept."""
        policy = signoff(*sorted(self.told.owners), require=self.quorum)
        told, about = event_of(event), asked(policy, when=self.when, policy_digest=self.told.policy)
        looked = seen(self.world)
        decision = looked.decision(about, self.world.now, told)
        self.votes_cast = {vote.sha256: vote.bytes for vote in looked.ballot(about, told).votes} if looked.run else {}
        if kept := looked.record(about, told):
            self.world.keep(kept)
        return decision, looked

    def _rests_on(self, looked: PullRequestState, decision: SignoffDecision, votes: dict[str, set[int]]) -> None:
        """The votes that are counted are as many as are asked, each another owner's, each the comment that really stands."""
        by_comment = {comment: name for name, comments in votes.items() for comment in comments}
        names = []
        for sha256 in decision.counted:
            stored = self.votes_cast[sha256]
            assert f"sha256:{hashlib.sha256(stored).hexdigest()}" == sha256
            vote = json.loads(stored)
            name = by_comment[vote["comment"]["id"]]
            assert (vote["by"]["id"], vote["digest"]) == (str(user(name)["id"]), self.told.current)
            assert vote["comment"]["body"] == f"/gate approve {self.told.current}"
            names.append(name)
        assert len(set(names)) == len(names) == self.quorum


def test_no_story_ends_in_an_approval_that_nobody_gave() -> None:
    """And enough of them end in one that somebody gave, or the law would hold of what never opens."""
    Story.ended.clear()
    run_state_machine_as_test(
        Story,
        settings=settings(
            max_examples=120, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

    assert sum(count for (state, _), count in Story.ended.items() if state == "approved") > 10


def test_two_of_two_are_reached_where_nobody_tampers() -> None:
    """Or the law above would hold of what never opens for more than one."""
    world, policy = World(github()), signoff("ana", "bo", require=2)
    digest = world.run_gate().digest
    world.comment("ana", f"/gate approve {digest}")
    assert seen(world).decision(asked(policy), world.now).state == "pending"
    world.comment("bo", f"/gate approve {digest}")

    assert seen(world).decision(asked(policy), world.now).state == "approved"
