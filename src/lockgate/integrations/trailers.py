"""Co-authors that the message of a commit names: people, without the programs that sign what they helped to write."""

from __future__ import annotations

import re

_TRAILER = re.compile(r"^[\s>*+-]*co[\s-]?authored[\s-]?by\s*[:=](?P<people>.*)$", re.IGNORECASE | re.MULTILINE)
_EMAIL = re.compile(r"[^<>()\s,;:\"']+@[^<>()\s,;:\"']+")
_NOREPLY = re.compile(r"(?:(?P<id>\d+)\+)?(?P<login>[^@+]+)@users\.noreply\.github\.com")
# Programs sign by an address of their maker that is no person's, or by the account that GitHub keeps for them.
_MAKERS = frozenset({
    "ai.google.dev", "aider.chat", "all-hands.dev", "alibabacloud.com", "amazon.com", "ampcode.com",
    "anthropic.com", "augmentcode.com", "block.xyz", "charm.land", "claude.ai", "cline.bot", "codeium.com",
    "cognition.ai", "cognition-labs.com", "continue.dev", "cursor.com", "cursor.sh", "deepseek.com", "devin.ai",
    "factory.ai", "github.com", "google.com", "kilocode.ai", "mistral.ai", "moonshot.ai", "moonshot.cn",
    "openai.com", "opencode.ai", "openhands.dev", "qwen.ai", "renovateapp.com", "replit.com", "roocode.com", "sourcegraph.com",
    "tabnine.com", "warp.dev", "windsurf.com", "x.ai", "zed.dev", "zencoder.ai",
})  # fmt: skip
_PROGRAMS = frozenset({
    "action", "agent", "ai", "aider", "amp", "assistant", "augment", "auggie", "bot", "cascade", "chatgpt", "claude",
    "claude-code", "cline", "codeium", "codewhisperer", "codex", "codex-cli", "cody", "continue", "copilot",
    "crush", "cursor", "cursor-agent", "cursoragent", "deepseek", "devin", "devin-ai", "devin-ai-integration",
    "droid", "factory-droid", "gemini", "gemini-cli", "gemini-code-assist", "ghostwriter", "github-copilot",
    "goose", "gpt", "grok", "jules", "junie", "kilo", "kilocode", "kimi", "mistral", "noreply", "no-reply",
    "openai", "opencode", "openhands", "oz-agent", "qwen", "qwen-code", "qwen-coder", "replit", "roo", "roocode",
    "support", "tabnine", "vibe", "warp", "windsurf", "zed", "zencoder",
})  # fmt: skip
# Of accounts that are programs and no [bot]: Claude, and those of Copilot.
_ACCOUNTS = frozenset({"81847", "175728472", "198982749", "223556219"})
_NOBODY = frozenset({"noreply", "no-reply", "donotreply", "do-not-reply"})  # whose ever: nobody reads that
_LOGINS = frozenset({"claude", "copilot", "cursoragent"})


def co_authors(message: str) -> tuple[str, ...]:
    """The emails of the people among the co-authors, in lower case, however their lines are spelt.

    A line that names a program is no more than it would be if the program had left it out: nobody's hand is hidden by it.
    """
    emails = (email.lower() for line in _TRAILER.finditer(message) for email in _EMAIL.findall(line["people"]))
    return tuple(dict.fromkeys(email for email in emails if not _is_program(email)))


def _is_program(email: str) -> bool:
    account = _NOREPLY.fullmatch(email)
    if account is not None:
        return account["login"].endswith("[bot]") or (
            account["id"] in _ACCOUNTS or (account["id"] is None and account["login"] in _LOGINS)
        )
    name, _, maker = email.partition("@")
    role = name.partition("+")[0]
    return role in _NOBODY or (role in _PROGRAMS and maker in _MAKERS)
