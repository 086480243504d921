"""People among the co-authors of a commit are known however their lines are spelt; programs are none."""

from __future__ import annotations

import pytest

from lockgate.integrations.trailers import co_authors


@pytest.mark.parametrize(
    "line",
    [
        "Co-authored-by: Pat <pat@example.org>",
        "CO-AUTHORED-BY: Pat <Pat@Example.org>",
        "  Co-Authored-By : Pat <pat@example.org>  ",
        "* Co-authored-by: Pat <pat@example.org>",
        "Co authored by: Pat pat@example.org",
        "Coauthored-by: Pat <pat@example.org>\r",
        "Co-authored-by: Claude <noreply@anthropic.com>, Pat <pat@example.org>",
        "Co-authored-by: pat@example.org <noreply@anthropic.com>",
        "Co-authored-by: Pat\n <pat@example.org>",
        "Co\u2011authored\u2013by\uff1a Pat <\u200bpat@example.org>",
        "Co-authored-by Pat <pat@example.org>",
        "Co-authored-with: Pat <pat@example.org>",
        "Co-author: Pat <pat@example.org>",
        "Co-developed-by: Pat <pat@example.org>",
        "\u2022 `Co-authored-by: Pat <pat@example.org>`",
        "Co-authored-by: Doe, Pat <pat@example.org>",
    ],
)
def test_a_person_is_found_in_any_spelling_of_the_line(line: str) -> None:
    """Or somebody could approve their own work."""
    assert co_authors(f"train\n\n{line}\n") == ("pat@example.org",)


@pytest.mark.parametrize(
    "who",
    [
        "Claude <noreply@anthropic.com>",
        "Claude Code <claude@anthropic.com>",
        "Claude <81847+claude@users.noreply.github.com>",
        "Copilot <copilot@github.com>",
        "Copilot <223556219+Copilot@users.noreply.github.com>",
        "copilot-swe-agent[bot] <198982749+Copilot@users.noreply.github.com>",
        "Cursor <cursoragent@cursor.com>",
        "Codex <noreply@openai.com>",
        "codex <codex@openai.com>",
        "chatgpt-codex-connector[bot] <199175422+chatgpt-codex-connector[bot]@users.noreply.github.com>",
        "aider (gpt-5) <aider@aider.chat>",
        "Gemini <noreply@google.com>",
        "gemini-code-assist[bot] <176961590+gemini-code-assist[bot]@users.noreply.github.com>",
        "Devin <devin@cognition.ai>",
        "Amp <amp@ampcode.com>",
        "openhands <openhands@all-hands.dev>",
        "GitHub <noreply@github.com>",
        "dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>",
        "Claude",
        "Claude Opus 4.5 (1M context)",
        "GitHub Copilot",
        "Claude\n <noreply@anthropic.com>",
        "Claude [noreply@anthropic.com]",
        "Claude <`noreply@anthropic.com`>",
        "Claude (via x.com/@claudeai) <noreply@anthropic.com>",
        "aider (vertex_ai/claude-3-5-sonnet@20240620) <aider@aider.chat>",
        "Junie <junie@jetbrains.com>",
        "Roo Code <roomote@roocode.com>",
        "Copilot <copilot@microsoft.com>",
        "copilot <copilot-swe-agent@users.noreply.github.com>",
        "Kiro <kiro@amazon.com>",
    ],
)
def test_a_program_is_no_person(who: str) -> None:
    """By the address that it signs with; its name proves nothing."""
    assert co_authors(f"train\n\nCo-Authored-By: {who}") == ()


@pytest.mark.parametrize(
    "email",
    [
        "jane@anthropic.com",
        "7+copilot@users.noreply.github.com",
        "claude@example.org",
        "bot@example.org",
        "pat@github.com",
        "devin@amazon.com",
        "jules@google.com",
        "junie@openai.com",
        "roo@github.com",
        "support@github.com",
        "noreply@dev.to",
    ],
)
def test_people_are_not_taken_for_programs(email: str) -> None:
    """Those who work for a maker of programs, or are called like one."""
    assert co_authors(f"x\n\nCo-authored-by: Claude <{email}>") == (email,)


@pytest.mark.parametrize("who", ["@pat", "Pat", "Pat <pat at example.org>", "Claude Dupont"])
def test_a_line_without_an_email_names_somebody_whom_nobody_knows(who: str) -> None:
    """So that it stops an approval, and hides nobody; an empty line names nobody, and a signature of another kind neither."""
    assert co_authors(f"x\n\nCo-authored-by: {who}\nCo-authored-by:\nSigned-off-by: Bo <bo@example.org>") == (
        who.lower(),
    )


def test_whom_the_policy_names_is_no_program() -> None:
    """A person may have a mailbox or an account that looks like one."""
    bot = "7+pat[bot]@users.noreply.github.com"
    message = f"x\n\nCo-authored-by: Pat <{bot}>\nCo-authored-by: Claude <claude@anthropic.com>"

    assert co_authors(message) == ()
    assert co_authors(message, named=lambda email: email == bot) == (bot,)


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 60_000,
        "\n " * 30_000,
        "a" * 60_000,
        "a@" * 30_000,
        "<" * 60_000,
        "co " * 20_000,
        "claude" + " 1.1" * 15_000 + "!",
        "(" * 60_000,
    ],
)
def test_a_long_message_is_read_once(text: str) -> None:
    """Every sign is looked at a fixed number of times, whatever stands around it."""
    assert co_authors(f"{text}\nCo-authored-by: {text}\nCo-authored-by: Pat <pat@example.org>")[-1] == "pat@example.org"
