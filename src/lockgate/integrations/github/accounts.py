"""Look up the number of a GitHub account, which stays the same when its login changes hands."""

from __future__ import annotations

import re
import subprocess

import requests

from lockgate.errors import UsageError
from lockgate.integrations.github.client import API
from lockgate.integrations.github.schema import Account, GitHubError, parse

_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,38}")
_SECONDS = 10


def said_account(text: str) -> tuple[str, int | None]:
    """(login, number of the account) of `@LOGIN` or `LOGIN:NUMBER`; without the number None. Raises UsageError."""
    login, separator, number = text.removeprefix("@").partition(":")
    if separator and re.fullmatch("[1-9][0-9]{0,17}", number) is None:
        raise UsageError(
            f"{text!r} is no account with its number",
            remedy=f"write it like octocat:583231; gh api users/{login} --jq .id prints it",
        )
    _require_login(login)
    return login, int(number) if separator else None


def _require_login(login: str) -> None:
    if _LOGIN.fullmatch(login) is None:
        raise UsageError(f"{login!r} is no login of GitHub", remedy="write it without @, like octocat")


def account_id(login: str, *, api: str | None = None) -> int | None:
    """The number of a person's account, as `gh` or else the API says it; None where neither answers.

    api: GITHUB_API_URL. Raises UsageError for what is no login, nobody's, or not a person's.
    """
    _require_login(login)
    content = _by_gh(login) or _by_request(login, api or API)
    if content is None:
        return None
    try:
        account = parse(Account, content, source=f"GitHub's answer to users/{login}")
    except GitHubError:
        return None  # another service answered, such as a sign-in page
    if not account.is_person:
        raise UsageError(f"{login} is an account of type {account.type}", remedy="name the people who may approve")
    return account.id


def _by_gh(login: str) -> bytes | None:
    try:
        answer = subprocess.run(
            ["gh", "api", f"users/{login}"],
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None


def _by_request(login: str, api: str) -> bytes | None:
    """Raises UsageError where GitHub has no such account."""
    try:
        answer = requests.get(f"{api}/users/{login}", timeout=_SECONDS)
    except requests.RequestException:
        return None
    if answer.status_code == 404:
        raise UsageError(f"GitHub has no account {login}", remedy="correct the login")
    return answer.content if answer.status_code == 200 else None
