"""What objects of all stores have in common: a digest, a dated folder by policy, and what else moves."""

from __future__ import annotations

from glob import has_magic

from lockgate.references.address import Address, redacted
from lockgate.references.reference import Reference, day_of, moving, moving_word, pinned


def by_digest_or_day(
    scheme: str, text: str, address: Address, *, dated: bool, versions: str, remedy: str, **parts: str
) -> Reference:
    """A reference to an object that has no version of its store. versions: what pins one object there, such as `version id`.

    remedy: how one object is pinned. dated: whether a folder or a name with a day in it is taken for a pin.
    """
    visible = redacted(text)
    if address.digest is not None:
        return pinned(scheme, visible, f"it has the digest {address.digest[:19]}…", digest=address.digest, **parts)
    word = moving_word(address.path)
    if word is not None:
        reason = f"{word} is a name for whatever is newest"
        return moving(scheme, visible, reason, f"name the object itself, and pin it: {remedy}", **parts)
    day = day_of(address.path)
    if day is not None and dated:
        return pinned(scheme, visible, f"it is of {day}, and the policy takes a dated path for a pin", day=day, **parts)
    folder = address.path.endswith("/") or not address.path or has_magic(address.path)
    if folder:
        reason = (
            f"it is a folder, whose objects may change{'; the policy takes no dated path for a pin' if day else ''}"
        )
        each = f"name one object with its {versions}, or keep the folder under DVC and name FOLDER.dvc@COMMIT"
        return moving(scheme, visible, reason, each, **parts)
    reason = f"it names no {versions}, so it is whatever was written there last"
    return moving(scheme, visible, reason, remedy, **parts)
