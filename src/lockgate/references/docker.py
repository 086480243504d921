"""Container images by digest: `registry/name:tag@sha256:…`."""

from __future__ import annotations

import re

from lockgate.references.reference import Kind, Reference, moving, pinned

_PREFIX = re.compile(r"(?:docker(?:-pullable)?|oci|containers?):(?://)?", re.IGNORECASE)
_IMAGE = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*(?::\d+)?(?:/[\w.-]+)*)(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))?",
    re.ASCII,
)


def parse(text: str, kind: Kind) -> Reference | None:
    """An image: whatever is said to be one, and what `docker://` begins; None of any other text."""
    bare = _PREFIX.sub("", text, count=1)
    if bare == text and kind != "image":
        return None
    match = _IMAGE.fullmatch(bare)
    if match is None:
        remedy = "write registry/name@sha256:…, as `docker inspect --format '{{index .RepoDigests 0}}' IMAGE` says it"
        return moving("docker", text, "it names no image, registry/name:tag", remedy)
    name, tag, digest = match["name"], match["tag"] or "", match["digest"]
    if "/" not in name and ":" in name:  # `python:3`, whose tag looks like a port
        name, _, tag = name.partition(":")
    parts = {"name": name, "tag": tag}
    if digest:
        return pinned("docker", text, f"it has the digest {digest[:19]}…", digest=digest, **parts)
    reason = (
        f"{tag} is a tag, which can be moved" if tag else "it names neither tag nor digest, and latest is then taken"
    )
    image = f"{name}:{tag or 'latest'}"
    remedy = f"write {name}@sha256:…, with what `skopeo inspect --format '{{{{.Digest}}}}' docker://{image}` says"
    return moving("docker", text, reason, remedy, **parts)
