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
        "Some program of tomorrow <no-reply@example.com>",
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
    ],
)
def test_people_are_not_taken_for_programs(email: str) -> None:
    """Those who work for a maker of programs, or are called like one."""
    assert co_authors(f"x\n\nCo-authored-by: Claude <{email}>") == (email,)
