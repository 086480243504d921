"""Co-authors that the message of a commit names: people, without the programs that sign what they helped to write."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

from lockgate.signoff.identity import NOREPLY

_KEY = re.compile(
    r"[^\w]*co[- ]?(?:author(?:s|ed)?|develop(?:ed)?)(?:[- ]?(?:by|with))?(?P<colon>\s*[:=])?(?P<people>.*)",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"<([^<>]*)>")
_PARTS = re.compile(r"[<>()\s:\"'`|*]+")
# Mailboxes by which programs sign, at their own makers; `noreply` and `no-reply` at each of these.
_PROGRAMS = {
    "ai.google.dev": "gemini jules",
    "aider.chat": "aider",
    "aider.dev": "aider",
    "alibabacloud.com": "qwen qwen-code qwen-coder",
    "all-hands.dev": "openhands",
    "amazon.com": "amazon-q amazonq codewhisperer kiro q-developer",
    "ampcode.com": "amp",
    "anthropic.com": "claude claude-code",
    "augmentcode.com": "agent auggie augment",
    "block.xyz": "goose",
    "charm.land": "crush",
    "claude.ai": "claude",
    "claude.com": "claude",
    "cline.bot": "bot cline",
    "codeium.com": "cascade codeium windsurf",
    "coderabbit.ai": "bot coderabbit",
    "cognition-labs.com": "devin devin-ai",
    "cognition.ai": "devin devin-ai",
    "continue.dev": "agent continue",
    "cursor.com": "agent cursor cursor-agent cursoragent",
    "cursor.sh": "agent cursor cursor-agent cursoragent",
    "deepseek.com": "deepseek",
    "devin.ai": "devin devin-ai",
    "factory.ai": "droid factory-droid",
    "github.com": "copilot github-copilot",
    "google.com": "gemini gemini-cli gemini-code-assist",
    "jetbrains.com": "junie",
    "kilocode.ai": "kilo kilocode",
    "kiro.dev": "kiro",
    "microsoft.com": "copilot",
    "mistral.ai": "mistral vibe",
    "moonshot.ai": "kimi",
    "moonshot.cn": "kimi",
    "noreply.github.com": "copilot",
    "openai.com": "chatgpt codex codex-cli gpt openai",
    "opencode.ai": "opencode",
    "openhands.dev": "openhands",
    "qwen.ai": "qwen qwen-code qwen-coder",
    "renovateapp.com": "bot renovate",
    "replit.com": "agent ghostwriter replit",
    "roocode.com": "roo roocode roomote",
    "sourcegraph.com": "amp cody",
    "sst.dev": "opencode",
    "tabnine.com": "tabnine",
    "warp.dev": "agent oz-agent warp",
    "windsurf.com": "cascade windsurf",
    "x.ai": "grok",
    "zed.dev": "agent zed",
    "zencoder.ai": "zencoder",
}
_NOBODY = frozenset({"noreply", "no-reply"})
# Of accounts that are programs and no [bot]: Claude, and those of Copilot; and logins of such.
_ACCOUNTS = frozenset({"81847", "175728472", "198982749", "223556219"})
_LOGINS = frozenset({"claude", "copilot", "copilot-swe-agent", "cursoragent", "gemini-cli", "kiro-agent"})
# A program that signs by its name alone, with its model and version.
_NAMES = frozenset(
    [
        "aider",
        "amazon q",
        "amp",
        "chatgpt",
        "claude",
        "cline",
        "codex",
        "copilot",
        "github copilot",
        "cursor",
        "devin",
        "gemini",
        "grok",
        "jules",
        "junie",
        "kiro",
        "openhands",
        "opencode",
        "qwen",
        "roo code",
        "windsurf",
    ]
)
_MODELS = frozenset(
    ["agent", "ai", "assistant", "bot", "cli", "code", "coder", "flash", "haiku", "model", "opus", "pro", "sonnet"]
)
_VERSION = re.compile(r"v?\d[\w.]*")
_LONGEST = 80  # signs of a name without an email


def co_authors(message: str, *, named: Callable[[str], bool] = lambda email: False) -> tuple[str, ...]:
    """The emails of the people among the co-authors, in lower case, however their lines are spelt.

    A line without any email gives the name in it, which nobody can tell the person by. A line that names a program is no more
    than it would be if the program had left it out: nobody's hand is hidden by it. named: whether an email is of somebody whom
    the policy names, and so of no program.
    """
    people: list[str] = []
    for line in _lines(message):
        emails = [email for entry in re.split("[,;]", line) for email in _emails(entry)]
        people += [email for email in emails if named(email) or not _is_program(email)]
        if not emails and line.strip() and not _names_program(line):
            people.append(line.strip()[:_LONGEST].lower())
    return tuple(dict.fromkeys(people))


def _lines(message: str) -> Iterator[str]:
    """What stands behind the key of each line of co-authors, with the lines that continue it."""
    folded: list[str] | None = None
    for line in _plain(message).splitlines():
        match = _KEY.match(line)
        if folded is not None and (match is not None or line[:1] not in (" ", "\t") or not line.strip()):
            yield "".join(folded)
            folded = None
        if match is not None and (match["colon"] or "@" in match["people"]):
            folded = [match["people"]]
        elif folded is not None:
            folded.append(line)
    if folded is not None:
        yield "".join(folded)


def _plain(message: str) -> str:
    """Full-width signs as the common ones, any dash a hyphen, nothing that nobody sees."""
    if message.isascii():
        return message
    signs = unicodedata.normalize("NFKC", message)
    kinds = {sign: unicodedata.category(sign) for sign in set(signs)}
    return "".join("-" if kinds[sign] == "Pd" else sign for sign in signs if kinds[sign] not in ("Cf", "Mn"))


def _emails(entry: str) -> list[str]:
    """The emails of one entry: those in angle brackets, and what beside them is one by itself."""
    bracketed = _BRACKETED.findall(entry)
    inside = [email for text in bracketed for email in _addresses(text)]
    # a name may hold a version or a handle with an @, in parentheses
    beside = re.sub(r"\([^()]*\)", " ", _BRACKETED.sub(" ", entry)) if inside else entry
    return inside + [email for email in _addresses(beside) if not inside or "." in email.rpartition("@")[2]]


def _addresses(text: str) -> list[str]:
    parts = (part.strip(".\\_[]").lower() for part in _PARTS.split(text))
    return [part for part in parts if "@" in part.strip("@")]


def _names_program(line: str) -> bool:
    words = [word.strip("*_`.,'\"") for word in re.split(r"[\s-]+", re.sub(r"\([^()]*\)", " ", line.lower()).strip())]
    return any(
        " ".join(words[:count]) in _NAMES
        and all(word in _MODELS or _VERSION.fullmatch(word) or not word for word in words[count:])
        for count in (1, 2)
    )


def _is_program(email: str) -> bool:
    account = NOREPLY.fullmatch(email)
    if account is not None:
        return account["login"].endswith("[bot]") or (
            account["id"] in _ACCOUNTS or (account["id"] is None and account["login"] in _LOGINS)
        )
    name, _, maker = email.partition("@")
    role = name.partition("+")[0]
    return maker in _PROGRAMS and (role in _NOBODY or role in _PROGRAMS[maker].split())
