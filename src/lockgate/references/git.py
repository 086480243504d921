"""Git commits: a whole hash, alone, in an address of a forge, or behind a path."""

from __future__ import annotations

import re

from lockgate.references.address import address_of, redacted
from lockgate.references.reference import Kind, Reference, moving, pinned

HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.IGNORECASE)
_SHORT = re.compile(r"[0-9a-f]{4,63}", re.IGNORECASE)
_DIRTY = re.compile(r"(?i)[-+._ ]\(?(?:dirty|modified)\)?$")
_FORGES = (
    re.compile(r"git\+(?P<repository>[a-z+]+://\S+?)@(?P<revision>[^@#?\s/][^@#?\s]*)(?:[#?].*)?", re.IGNORECASE),
    re.compile(
        r"(?P<repository>https?://[^/\s]+/\S+?)/(?:-/)?(?:commits?|tree|blob|raw|src/commit)/(?P<revision>[^/?#\s]+)"
        r"(?:/(?P<path>[^?#]*))?(?:[?#].*)?",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?P<repository>https?://raw\.githubusercontent\.com/[^/\s]+/[^/\s]+)/(?P<revision>[^/?#\s]+)/(?P<path>[^?#]+)"
        r"(?:[?#].*)?",
        re.IGNORECASE,
    ),
)
_HOSTS = re.compile(r"//(?:[^/]*\.)?(?:github|gitlab|bitbucket|codeberg|githubusercontent)\.|/-/", re.IGNORECASE)
_IN_TREE = re.compile(r"(?:git:(?!//)(?P<path>[^@\s][^@]*)|(?P<plain>[^@:\s][^@:]*))@(?P<revision>[^@\s]+)")
_BRANCHES = ("main", "master", "trunk", "develop", "dev", "HEAD")
_FIND = "git rev-parse HEAD"


def parse(text: str, kind: Kind) -> Reference | None:
    """A commit, by itself or of a file; of code, any other name too, which is then that of a branch or a tag."""
    match = next((match for form in _FORGES if (match := form.fullmatch(text))), None)
    if match is not None and _is_of_git(text, match["revision"], kind):
        parts = {name: value for name, value in match.groupdict().items() if value and name != "revision"}
        return revision(redacted(text), match["revision"], **parts)
    match = _IN_TREE.fullmatch(text)
    if match is not None and (match["path"] or HASH.fullmatch(match["revision"])):
        return revision(text, match["revision"], path=match["path"] or match["plain"])
    bare = text.removeprefix("git:")
    if bare != text or kind == "code" or len(bare) == 40 or _DIRTY.search(bare):
        name = _DIRTY.sub("", bare)
        if "://" not in bare and (bare != text or kind == "code" or HASH.fullmatch(name)):
            return revision(text, bare)
    return None


def _is_of_git(text: str, name: str, kind: Kind) -> bool:
    """Whether an address of this form is that of a repository: `/raw/` and `/tree/` are folders elsewhere."""
    address = address_of(text)
    if address is None or address.digest is not None or address.host.endswith(("huggingface.co", "hf.co")):
        return False
    return kind == "code" or bool(HASH.fullmatch(name)) or text.startswith("git+") or _HOSTS.search(text) is not None


def revision(text: str, name: str, **parts: str) -> Reference:
    """Whether a name of a revision is the whole hash of a commit. text: the reference that holds it."""
    clean = _DIRTY.sub("", name)
    commit = clean.lower()
    if HASH.fullmatch(clean) and not commit.strip("0"):
        return moving(
            "git", text, "it is the hash that Git writes where there is no commit", f"write what `{_FIND}` says"
        )
    if clean != name:
        return moving(
            "git", text, "files differed from the commit that it names", "commit them, and train again from that commit",
            commit=commit, dirty="true", **parts,
        )  # fmt: skip
    if HASH.fullmatch(clean):
        return pinned("git", text, f"it is the commit {commit[:12]}", commit=commit, **parts)
    if _SHORT.fullmatch(clean):
        remedy = f"write all 40 digits: git rev-parse {clean}"
        return moving(
            "git", text, "it is a short hash, which may come to mean two commits", remedy, revision=clean, **parts
        )
    word = "a branch" if clean.rpartition("/")[2] in _BRANCHES else "a branch or a tag"
    reason = f"{clean} is the name of {word}, which moves" if clean else "it names no commit"
    name = clean if re.fullmatch(r"[\w./-]+", clean) and not clean.startswith("-") else "HEAD"
    return moving("git", text, reason, f"write the commit's hash: git rev-parse {name}", revision=clean, **parts)
