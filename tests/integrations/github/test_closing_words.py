"""What closes is taken as it comes, and what opens to the letter: whatever becomes of the spelling."""

from __future__ import annotations

import functools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.hub.contract import github
from helpers.hub.deciding import asked, decided, event_of, ignored, said, seen, signoff
from helpers.hub.emulator import BOT, Answer, World, user
from lockgate.evidence.run_record import RunRecord
from lockgate.integrations.github.closing_words import HELP, closing_meaning
from lockgate.integrations.github.comment_commands import read_record
from lockgate.integrations.github.comment_report import CommentContext, SignoffStatus, render
from lockgate.signoff.decision import SignoffDecision

APPROVED, REJECTED, UNCLEAR = ("approved", "approved"), ("rejected", "rejected"), ("pending", "unclear")
QUOTE = "> /gate approve it?\r\n>\r\n> /gate reject\r\n\r\n"


@pytest.fixture
def world() -> World:
    """An owner has approved it, and it would be promoted."""
    return approved_world()


def approved_world() -> World:
    world = World(github())
    world.comment("ana", f"/gate approve {world.run_gate().digest}")
    return world


def digest(world: World) -> str:
    evidence = seen(world).evidence
    assert evidence is not None
    return evidence.digest


# any spelling ---------------------------------------------------------------------------------------------------------


def _wide(letter: str) -> str:
    return chr(ord(letter) + 0xFEE0)


letters = st.sampled_from(
    [str.lower, str.upper, _wide, lambda letter: letter + "\u200b", lambda letter: letter + "\u0301"]
)
before = st.sampled_from(
    ["", "", " ", "\t ", "\u00a0", "\u200b", "\ufeff", "**", "`", "_", "* ", "- ", "2. ", "- [ ] ", "- [x] ", "@dev ", "@dev, ",
     "## ", "<b>", "(", "⛔ ", "```\n", "I am sorry.\n", "\r\n", QUOTE, "On Friday ana wrote:\r\n" + QUOTE]
)  # fmt: skip
slash = st.sampled_from(["/", "/", "\\/", "/ ", "//", "\uff0f", "&#47;", "\u2215"])
between = st.sampled_from(
    [" ", "  ", "\t", "\u00a0", "\u3000", "\u2009", "\u200b ", ": ", ":", "-", "_", " - ", " **", "` `", ""]
)
behind = st.sampled_from(
    ["", "", ":", ".", "!", "ed", "ing", "ion", "** please", "`", ": flips on BR", " sha256:" + "0" * 64, "\r\n\r\nit flips",
     "\n\n> quoted", "\n```", "</b>", ")", "\u200b"]
)  # fmt: skip


@st.composite
def mangled_rejections(draw: st.DrawFn) -> str:
    spelt = [draw(letters)(letter) for letter in "gatereject"]
    words = f"{draw(slash)}{''.join(spelt[:4])}{draw(between)}{''.join(spelt[4:])}"
    return f"{draw(before)}{words}{draw(behind)}"


@functools.cache
def _shared() -> tuple[World, str]:
    world = approved_world()
    return world, digest(world)


def _after(by: str, body: str) -> SignoffDecision:
    """The decision with one comment more, in a world that stays as it is."""
    world, _ = _shared()
    event = world.comment(by, body)
    try:
        return seen(world).decision(asked(), world.now, event_of(event))
    finally:
        world.comments.pop(event["comment"]["id"])


@given(mangled_rejections())
@settings(max_examples=150, deadline=None)
def test_a_rejection_in_any_spelling_rejects(body: str) -> None:
    """Also for the job that its own event starts, so that this job starts no promotion."""
    assert said(_after("bo", body)) == REJECTED


@given(st.text("abcdefghijklmnopqrstuvwxyz -:.!éß我", max_size=12).filter(lambda text: not text.startswith("reject")))
@settings(max_examples=60, deadline=None)
def test_whatever_an_owner_says_to_the_gate_holds_what_was_approved(words: str) -> None:
    """A known word in a known form is something else; here is none."""
    decision = _after("bo", f"/gate {words}")

    assert decision.state == "rejected" or words.strip() in ("status", "revoke") or said(decision) == UNCLEAR


@st.composite
def mangled_approvals(draw: st.DrawFn) -> str:
    exact = f"/gate approve {_shared()[1]}"
    place = draw(st.integers(0, len(exact)))
    sign = draw(st.sampled_from([" ", "\u00a0", "\u200b", "\ufeff", "`", "*", ">", "a", "0", "\t", "\u0301", "\r"]))
    how = draw(st.sampled_from(["insert", "drop", "wide", "upper", "above", "quote"]))
    if how == "insert":
        return exact[:place] + sign + exact[place:]
    if how == "drop":
        return exact[: min(place, len(exact) - 1)] + exact[min(place, len(exact) - 1) + 1 :]
    if how == "wide":
        return "".join(
            _wide(one) if number == place % len(exact) and one > " " else one for number, one in enumerate(exact)
        )
    if how == "upper":
        return exact.upper() if place % 2 else exact.title()
    return f"yes:\n{exact}" if how == "above" else f"> {exact}"


@given(mangled_approvals())
@settings(max_examples=100, deadline=None)
def test_no_mangled_approval_ever_counts(body: str) -> None:
    """One sign more, less or other, and it is none: alone it opens nothing."""
    world, whole = _shared()
    if body.partition("\n")[0].removesuffix("\r") == f"/gate approve {whole}":
        return
    kept = dict(world.comments)
    world.comments.clear()
    try:
        assert said(_after("ana", body)) == ("pending", "votes_missing")
    finally:
        world.comments |= kept


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        ("</gate reject>", "reject"),
        ("/gate re**je**ct", "reject"),
        ("<!-- /gate reject -->", "reject"),
        ("/gаte rеjеct", "reject"),  # with Cyrillic letters
        ("/gate\nreject", "unclear"),
        ("/gate\u2028reject", "reject"),
        ("hello\x85/gate reject", "reject"),
        ("> hello\u2028/gate reject", "reject"),
        ("| /gate reject | it flips |", "reject"),
        ("gate reject: it flips", "unclear"),
        ("please /gate reject this one", "unclear"),
        ("I would not /gate reject this one", "unclear"),
        ("ok /gate revoke", "unclear"),
        ("/gate rejct", "unclear"),
        ("/gate hold", "unclear"),
        ("/gate", "unclear"),
        ("/gate approve or /gate reject?", "unclear"),
        ("/gate aprove", "approving"),
        ("/gate approved", "approving"),
        ("/gate approve sha256:abc please", "approving"),
        ("/gate approve accepting two undecided", "approving"),
        ("/gate approve -1", "unclear"),
        ("/gate approve \U0001f44e", "unclear"),
        ("the log in /gate/x says no: do not /gate approve", "unclear"),
        ("/gate approve? No, it flips", "unclear"),
        ("/gate Status please", None),
        ("write /gate approve sha256:… to promote", "unclear"),
        (f"write /gate approve sha256:{'0' * 64} to promote", "approving"),
        ("* `/gate approve` approves\n* `/gate reject` rejects", "unclear"),
        ("| `/gate reject` | rejects |", "unclear"),
        ("```\n/gate reject   with a reason\n/gate revoke   lifts it\n```", "unclear"),
        (HELP, None),
        (f"<sub>{HELP.replace('`', '')} Only a new", None),
        ("* > /gate reject\n\n  that was another one", None),
        ("-> /gate reject", "reject"),
        ("> /gate reject", None),
        ("  > /gate reject\n\nwhy?", None),
        ("/gateway is down", None),
        ("the gate rejected the last one", None),
        ("see https://example.org/gate/rules and ~/gate run", None),
        ("", None),
    ],
)
def test_what_an_owner_means_is_heard_in_what_they_do_not_quote(body: str, meaning: str | None) -> None:
    """A rejection where the command begins its line; a question where it might be one; nothing where it is another word."""
    assert closing_meaning(body) == meaning


sentence = st.sampled_from(
    ["please do NOT {0} this, it flips", "{0} not yet", "don't {0} this before Monday", "Nicht {0} bitte", "I would not {0}",
     "Nobody should `{0}` this", "-1, not going to {0} it", "I take it back, do not {0}!", "（bitte nicht {0}）", "No. {0}", "> why?\n\nno {0} now"]
)  # fmt: skip
command = st.sampled_from(
    ["/gate approve", "/gate reject", "/gate hold", "**/gate approve**", "/Gate approve", "/gate stop"]
)
others_command = st.sampled_from(
    ["/gates reject", "/lockgate reject", "lockgate reject", "/model-gate hold", "/gaet reject", "/gte reject", "/fate veto",
     "gate rejected", "Gate rejected: flips", "gate: hold", "gate - veto", "@gate hold", "!gate hold", "7gate reject", "/gatehold",
     "gate hold until Monday", "@github-actions reject", "/reject", "/reject: flips", "/veto", "/hold", "/do-not-merge", "/revoke",
     "/gate/reject", "./gate reject", "/<!-- -->gate reject", "/g a t e reject", "gate revoke"]
)  # fmt: skip


@given(
    st.one_of(
        st.builds(str.format, sentence, command),
        st.builds("{0}{1}".format, st.sampled_from(["", "* ", "hi\n"]), others_command),
    )
)
@settings(max_examples=150, deadline=None)
def test_an_objection_in_a_sentence_or_by_a_name_that_is_near_holds(body: str) -> None:
    """Whatever the verb is: nobody can say in every language that a sentence does not negate it."""
    assert closing_meaning(body) in ("reject", "unclear")


talk = st.sampled_from(
    ["see {0} for the details", "{0}", "the log: {0}", "`{0}`", "[the log]({0})", "![]({0})", "<a href='{0}'>log</a>", "```\n{0}\n```",
     "cd {0} && make", "* {0} is missing", "> {0}", "I like {0}, thanks."]
)  # fmt: skip
matter = st.sampled_from(
    ["/gate/logs/run-12.txt", "/gate.yml", "/gate-approve.yml", "b/gate/reject.py", "https://ci.example.org/gate/rejects?id=1",
     "http://localhost/gate", "s3://bucket/gate/x", "~/gate/config", "src=/gate/out", '{{"path": "/gate/x"}}', "/gateway", "/gatekeeper",
     "CI / gate (pull_request)", "train / gate / promote", "// gate the feature behind a flag", "/* gate */", "# gate on quorum",
     "ML Gate / Gate Owners", "Gate 7 / Gate 8", "the gate", "Gate reject rate was 3 %", "Gate rejection rate", "Gate approves this",
     "gate: passed", "gates: reject threshold is 0.1", "investigate / mitigate", "NAND/gate", "$ gate check",
     "./gate run", "/hold/x.txt", "the holdout", "we reject the null hypothesis", "a rate limit", "/rate limit"]
)  # fmt: skip


@given(st.lists(st.builds(str.format, talk, matter), min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_ordinary_talk_says_nothing_to_the_gate(lines: list[str]) -> None:
    """Paths, addresses, logs, code, checks, signatures, and quotes."""
    assert closing_meaning("\n\n".join(lines)) is None


@pytest.mark.parametrize(
    "body",
    [
        "@" * 60_000,
        "/gate " * 10_000,
        "/" * 60_000 + "gate",
        "/" * 60_000 + "x gate",
        "`/gate" + "`" * 60_000,
        "/gate aprove" + " 1234567" * 7_000 + " x",
        "é1. @a [x] <" * 5_000 + " gate",
    ],
)
def test_a_long_comment_is_heard_in_no_time(body: str) -> None:
    """Its length counts once: no spelling makes the search go back and forth."""
    assert closing_meaning(body + "\n/gate reject") == "reject"


# until it is cleared up -----------------------------------------------------------------------------------------------


def test_words_that_are_not_understood_hold_it_until_their_author_makes_them_clear(world: World) -> None:
    """By approving, rejecting or revoking in a comment that nobody edited; a query and others' words clear nothing up."""
    event = world.comment("bo", "/gate rejct: flips on BR")
    decision = decided(world, event)

    assert said(decision) == UNCLEAR
    assert [words.url for words in decision.unclear] == [event["comment"]["html_url"]]
    assert event["comment"]["html_url"] in decision.reason
    for by, body in (("bo", "/gate status"), ("ana", "/gate revoke"), ("ana", f"/gate approve {digest(world)}")):
        world.comment(by, body)
    assert said(decided(world)) == UNCLEAR
    world.edit(world.comment("bo", "hello")["comment"]["id"], "mallory", "/gate revoke")
    assert said(decided(world)) == UNCLEAR
    world.comment("bo", "/gate revoke")
    assert said(decided(world)) == APPROVED


def test_words_that_are_not_understood_stay_where_their_comment_is_deleted_or_edited(world: World) -> None:
    """As a rejection does: whoever may write here may do both. A new push changes nothing either."""
    told = world.comment("bo", "/gate wait")
    assert said(decided(world, told)) == UNCLEAR
    gone = world.delete(told["comment"]["id"], "mallory")

    assert said(decided(world, gone)) == UNCLEAR
    world.push("dev")
    world.comment("ana", f"/gate approve {world.run_gate().digest}")
    assert said(decided(world)) == UNCLEAR
    assert [vote.by.name for vote in read_record(seen(world).record(asked()))] == ["bo"]
    world.comment("bo", f"/gate approve {digest(world)}")
    assert said(decided(world)) == APPROVED


def test_an_owner_edits_a_comment_into_an_objection(world: World) -> None:
    """What closes counts from the comment as it is now, and from what it was."""
    told = world.comment("bo", "nice")
    edited = world.edit(told["comment"]["id"], "bo", "**/gate rejct**")
    assert said(decided(world, edited)) == UNCLEAR

    assert said(decided(world, world.edit(told["comment"]["id"], "bo", "**/Gate reject**"))) == REJECTED
    assert said(decided(world, world.edit(told["comment"]["id"], "mallory", "nice"))) == REJECTED


def test_a_misspelt_approval_holds_what_others_approved_before_and_not_after() -> None:
    """It is no objection by its looks, so whoever approves below it has seen it."""
    world = World(github())
    evidence = world.run_gate()
    world.comment("bo", f"/gate aprove {evidence.digest}")
    world.comment("ana", f"/gate approve {evidence.digest}")
    assert said(decided(world)) == APPROVED

    world.comment("bo", f"LGTM /gate aprove {evidence.digest}")
    assert said(decided(world)) == UNCLEAR


def test_an_approval_with_an_objection_below_is_an_objection(world: World) -> None:
    """And one whose reason mentions a command is an approval."""
    world.comment("ana", f"/gate approve {digest(world)}\nafter what I wrote, /gate reject, was solved")
    assert said(decided(world)) == APPROVED
    world.comment("ana", f"/gate approve {digest(world)}\n\n* /gate reject for BR")

    assert said(decided(world)) == REJECTED


def test_who_approved_may_talk_of_it_and_copy_the_comment_below(world: World) -> None:
    """A mail program copies the one comment without marks; what looks like an approval says nothing new."""
    copied = f"```\n/gate approve {digest(world)}\n```\n\n<sub>{HELP} Only a new comment counts.</sub>"
    world.comment("ana", "/gate approve worked, thanks!")
    world.comment("ana", f"/gate approve {digest(world)}\n\nFrom: github-actions[bot]\n\n{copied}")
    assert said(decided(world)) == APPROVED

    world.comment("ana", "I take it back, do not /gate approve")
    assert said(decided(world)) == UNCLEAR


def test_an_approval_with_an_objection_in_a_later_sentence_holds(world: World) -> None:
    world.comment("ana", f"/gate approve {digest(world)}\n\nI mean it only for US. /gate hold for BR")

    assert said(decided(world)) == UNCLEAR


def test_an_approving_review_makes_words_clear_and_lifts_no_rejection(world: World) -> None:
    """It is exact, and theirs; one before the words, or one that was dismissed, says nothing of them."""
    world.review("bo", "APPROVED")
    world.comment("bo", "can you /gate approve?")
    assert said(decided(world)) == UNCLEAR
    world.review("bo", "APPROVED")
    assert said(decided(world)) == APPROVED
    world.dismiss(world.reviews[-1]["id"], "mallory")
    assert said(decided(world)) == UNCLEAR

    world.review("bo", "APPROVED")
    world.comment("bo", "/gate reject")
    world.review("bo", "APPROVED")
    assert said(decided(world)) == REJECTED


def test_strangers_may_say_to_the_gate_what_they_like(world: World) -> None:
    """Nothing of it is recorded, and a mangled word of theirs is not even told of."""
    for body in ("**/gate reject**", "/gate hold", "/gate rejct"):
        world.comment("mallory", body)

    decision = decided(world)
    assert (said(decision), decision.ignored, seen(world).record(asked())) == (APPROVED, (), b"")


def test_a_program_that_the_policy_names_may_quote_commands(world: World) -> None:
    """As the Actions bot does in the one comment, where it is named because it commits."""
    groups = {**signoff().model_dump(exclude_unset=True)["groups"], "bots": [{"github": BOT["login"], "id": BOT["id"]}]}
    policy = signoff().model_validate({"groups": groups, "require": {"owners": 1}})
    world.comment(
        BOT["login"], "<!-- gate:v1 100/12/fraud -->\n```\n/gate approve it\n```\nOr `/gate reject`", account=BOT
    )

    assert said(decided(world, policy=policy)) == APPROVED


def test_an_owner_may_object_where_nobody_need_sign() -> None:
    """The comment that objects starts the job that decides, which would promote what nobody has to approve."""
    world = World(github())
    world.run_gate()
    policy = signoff(require=0)
    assert said(decided(world, policy=policy)) == ("approved", "nobody_signs")
    assert said(decided(world, world.comment("bo", "/gate hold on"), policy=policy)) == UNCLEAR
    assert said(decided(world, world.comment("bo", "/Gate reject"), policy=policy)) == REJECTED

    world.comment("bo", "/gate revoke")
    assert said(decided(world, policy=policy)) == ("approved", "nobody_signs")


# reviews --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["", "it flips on BR", "```\nnothing for the gate\n```"])
def test_a_review_that_requests_changes_rejects(world: World, body: str) -> None:
    """Until the same person reviews anew, or says so to the gate; a review that only comments changes nothing."""
    world.review("bo", "CHANGES_REQUESTED", body)
    decision = decided(world)
    assert said(decision) == REJECTED
    assert "bo rejected it" in decision.reason
    world.review("bo", "COMMENTED", "still thinking")
    world.review("ana", "APPROVED")
    assert said(decided(world)) == REJECTED

    world.review("bo", "APPROVED")
    assert said(decided(world)) == APPROVED
    world.review("bo", "CHANGES_REQUESTED")
    world.comment("bo", "/gate revoke")
    assert said(decided(world)) == APPROVED


@pytest.mark.parametrize(
    ("by", "expected"), [("bo", APPROVED), ("ana", APPROVED), ("dev", REJECTED), ("mallory", REJECTED)]
)
def test_a_dismissal_lifts_a_review_where_an_owner_without_a_hand_in_it_dismissed_it(
    world: World, by: str, expected: tuple[str, str]
) -> None:
    """Whoever may write here can dismiss any review, the author of the pull request too, here an owner."""
    world.review("bo", "CHANGES_REQUESTED")
    world.dismiss(world.reviews[-1]["id"], by)

    assert said(decided(world, policy=signoff("ana", "bo", "dev"))) == expected


def test_an_approving_review_that_was_dismissed_is_no_objection(world: World) -> None:
    """As GitHub does with a review of an older commit."""
    world.review("bo", "APPROVED")
    world.dismiss(world.reviews[-1]["id"], "mallory")

    assert said(decided(world)) == APPROVED


def test_reviews_of_others_and_approving_ones_are_no_votes(world: World) -> None:
    """GitHub moves a review to another commit by itself, so none can open anything."""
    world.review("mallory", "CHANGES_REQUESTED")
    assert said(decided(world)) == APPROVED
    world.comments.clear()
    world.review("bo", "APPROVED", f"/gate approve {digest(world)}")

    decision = decided(world)
    assert (said(decision), ignored(decision)) == (("pending", "votes_missing"), set())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("/gate reject: flips", REJECTED),
        ("a\n- /Gate reject", REJECTED),
        ("/gate stop", UNCLEAR),
        ("/gate revoke", UNCLEAR),
    ],
)
def test_an_objection_in_a_review_or_beside_a_line_counts_like_one_in_a_comment(
    world: World, body: str, expected: tuple[str, str]
) -> None:
    """It outlives its comment once a decision saw it; the same person lifts it in a comment."""
    world.review("bo", "APPROVED", body)
    assert said(decided(world)) == expected
    world.reviews.clear()
    world.review("bo", "COMMENTED")
    assert said(decided(world)) == expected
    world.comment("bo", "/gate revoke")
    assert said(decided(world)) == APPROVED

    world.comment_beside_a_line("bo", body)
    assert said(decided(world)) == expected
    world.beside_lines.clear()
    assert said(decided(world)) == expected


@pytest.mark.parametrize("where", ["review", "line"])
def test_what_somebody_else_edited_in_a_review_may_have_been_an_objection(world: World, where: str) -> None:
    """Nobody saw it before: a review starts no job that could keep it. Its author's own edit is taken as it stands."""
    if where == "line":
        world.comment_beside_a_line("bo", "/gate reject: it leaks")
        made = world.beside_lines[-1]
    else:
        world.review("bo", "COMMENTED", "/gate reject: it leaks")
        made = world.reviews[-1]
    world.edit_elsewhere(made, "mallory", "nice")
    decision = decided(world)
    assert said(decision) == UNCLEAR
    assert "somebody else edited what bo wrote" in decision.reason
    world.beside_lines.clear()
    world.reviews[-1:] = [] if where == "review" else world.reviews[-1:]
    assert said(decided(world)) == UNCLEAR
    world.comment("bo", "/gate revoke")
    assert said(decided(world)) == APPROVED

    world.comment_beside_a_line("bo", "nicce")
    world.edit_elsewhere(world.beside_lines[-1], "bo", "nice")
    assert said(decided(world)) == APPROVED


def test_what_only_quotes_says_nothing_beside_a_line_either(world: World) -> None:
    """A suggestion or a quote of somebody else's words."""
    world.comment_beside_a_line("bo", "> /gate reject\n\nwas that meant?")

    assert said(decided(world)) == APPROVED


def test_a_pull_request_without_reviews_takes_no_more_requests_than_before(world: World) -> None:
    """GitHub says with the edits that there are none; each list of a reviewed one is a request, and who edited what it lists."""
    world.asked.clear()
    decided(world)
    plain = len(world.asked)
    world.review("ana", "APPROVED")
    world.asked.clear()
    decided(world)

    assert (plain, len(world.asked)) == (8, 11)


def test_a_rejection_says_who_can_lift_it_and_what_follows_then(world: World) -> None:
    """Promoted at once where the others approve; who dismissed a review in vain is named, and who could."""
    world.review("bo", "CHANGES_REQUESTED", "it flips")
    world.dismiss(world.reviews[-1]["id"], "dev")
    decision = decided(world)
    assert decision.standing == "approved by ana"
    assert "that dev dismissed it does not count" in decision.reason
    shown = _comment(world)
    assert "* @bo: only you can lift [that](https://github.com/acme/models/pull/12#pullrequestreview-" in shown
    assert "* Approved by ana: it is promoted as soon as @bo comments `/gate revoke`." in shown

    world.comment("ana", "/gate revoke")
    assert decided(world).standing is None
    assert "it is promoted as soon as" not in _comment(world)


def _comment(world: World) -> str:
    looked = seen(world)
    assert looked.evidence is not None
    status = SignoffStatus(signoff(), looked.ballot(asked()), looked.decision(asked(), world.now))
    return render(RunRecord(looked.evidence), context=CommentContext("<!-- gate -->"), signoff=status)


# any number of comments -----------------------------------------------------------------------------------------------


def test_of_any_number_of_comments_only_those_that_matter_are_held() -> None:
    """Strangers' talk is read and let go; of their commands the last are kept, to tell them that they do not count."""
    world = World(github())
    approval = world.comment("ana", f"/gate approve {world.run_gate().digest}")["comment"]
    eve, bo = ({**approval["user"], **user(name)} for name in ("eve", "bo"))
    pages = [
        [{**approval, "user": eve, "body": "+1", "id": 100 * page + one} for one in range(100)] for page in range(35)
    ]
    for page in pages[5:]:
        page[7]["body"] = "/gate reject"
    pages.append([approval])

    def listed(method: str, target: str) -> Answer | None:
        page = int(target.rpartition("page=")[2]) if "/issues/12/comments" in target else 0
        more = {"Link": '<http://127.0.0.1:1/x>; rel="next"'} if page < len(pages) else {}
        return (200, more, json.dumps(pages[page - 1]).encode()) if page else None

    world.fault = listed
    looked = seen(world, signoff())
    assert looked.decision(asked(), world.now).state == "approved"
    assert [comment.user.login for comment in looked.comments if comment.user] == ["eve"] * 20 + ["ana"]
    pages[17][50] |= {"user": bo, "body": " /gate reject"}
    assert seen(world, signoff()).decision(asked(), world.now).state == "rejected"
