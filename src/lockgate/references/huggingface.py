"""Datasets of the Hugging Face Hub by commit: `hf://datasets/owner/name@<commit>/file`."""

from __future__ import annotations

import re

from lockgate.references.git import HASH
from lockgate.references.reference import Reference, moving, pinned

_FORMS = (
    re.compile(r"hf://(?P<name>(?:datasets/|spaces/)?[^@/\s]+/[^@/\s]+)(?:@(?P<revision>[^/\s]+))?(?:/.*)?"),
    re.compile(
        r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/(?P<name>(?:datasets/|spaces/)?[^/\s]+/[^/\s?#]+?)"
        r"(?:/(?:resolve|blob|raw|tree|commit)/(?P<revision>[^/?#\s]+))?(?:[/?#].*)?"
    ),
)


def parse(text: str) -> Reference | None:
    """A dataset or a file of the Hub; None of any other text."""
    match = next((match for form in _FORMS if (match := form.fullmatch(text))), None)
    return None if match is None else at_revision(text, match["name"], match["revision"])


def at_revision(text: str, name: str, revision: str | None) -> Reference:
    """A repository of the Hub, as MLflow records it too."""
    if revision and HASH.fullmatch(revision):
        return pinned(
            "huggingface", text, f"it is the commit {revision[:12].lower()} of {name}", name=name, commit=revision
        )
    reason = f"{revision} is a branch or a tag, which moves" if revision else "it names no commit, so it is the newest"
    remedy = f"write its commit: huggingface_hub.HfApi().repo_info({name.removeprefix('datasets/')!r}, repo_type='dataset').sha"
    return moving("huggingface", text, reason, remedy, name=name)
