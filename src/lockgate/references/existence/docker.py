"""Whether a registry has an image, by one HEAD request; a tag is resolved to its digest."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from lockgate.references.existence.answer import absent, resolved, there, unclear
from lockgate.references.reference import Reference

# A registry says 404 of what it has in a form that is not accepted.
_ACCEPT = ", ".join(
    f"application/vnd.{form}+json"
    for form in (
        *("oci.image.index.v1", "oci.image.manifest.v1"),
        *("docker.distribution.manifest.list.v2", "docker.distribution.manifest.v2"),
    )
)
_SECONDS = 10
_SKOPEO_SECONDS = 60
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_HERE = ("localhost", "127.0.0.1", "[::1]")
_HUB = "docker.io"


def look_up(reference: Reference, root: Path) -> Reference:
    """Asks as anybody, and by skopeo, with the credentials that it has, where anybody is refused. root: not used."""
    parts = reference.parts
    if not parts.get("name"):
        return reference
    tag, digest = parts.get("tag") or "latest", parts.get("digest")
    host, repository = _place(parts["name"])
    try:
        status, resolved_digest = _head(host, repository, digest or tag)
    except (OSError, ValueError) as error:  # requests' own, and those of addresses that a registry names
        return unclear(reference, f"the registry {host} could not be asked ({type(error).__name__})")
    if status in (401, 403) and shutil.which("skopeo"):
        status, resolved_digest = _by_skopeo(f"{host}/{repository}", digest or tag)
    if status == 404:
        remedy = f"push it, or name one that is there: skopeo list-tags docker://{parts['name']}"
        return absent(reference, f"the registry {host} has no such image", remedy)
    if status != 200:
        return unclear(
            reference, f"the registry {host} answers {status}; the job must be logged in to it, and skopeo be there"
        )
    if reference.pinned or resolved_digest is None:
        return there(reference)
    return resolved(reference, f"{parts['name']}@{resolved_digest}", f"which {tag} stands for now")


def _place(name: str) -> tuple[str, str]:
    """(host of the registry, name there), as Docker reads a name."""
    first, _, rest = name.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        return ("registry-1.docker.io", rest) if first in (_HUB, f"index.{_HUB}") else (first, rest)
    return "registry-1.docker.io", name if rest else f"library/{name}"


def _is_here(host: str) -> bool:
    """Whether it is this machine, whose registries Docker asks without TLS too."""
    return host in _HERE or host.rpartition(":")[0] in _HERE


def _head(host: str, repository: str, version: str) -> tuple[int, str | None]:
    """(status, digest). Raises OSError, ValueError."""
    import requests

    scheme = "http" if _is_here(host) else "https"
    url = f"{scheme}://{host}/v2/{repository}/manifests/{version}"
    headers = {"Accept": _ACCEPT}
    with requests.Session() as session:
        answer = session.head(url, headers=headers, timeout=_SECONDS, allow_redirects=True)
        challenge = answer.headers.get("WWW-Authenticate", "")
        if answer.status_code == 401 and challenge.lower().startswith("bearer "):
            fields = dict(_CHALLENGE.findall(challenge))
            realm = fields.pop("realm", "")
            if urlsplit(realm).scheme == "https" or urlsplit(realm).hostname in _HERE:
                granted = session.get(f"{realm}?{urlencode(fields)}", timeout=_SECONDS)
                reply = granted.json() if granted.ok else None
                token = reply.get("token") if isinstance(reply, dict) else None
                headers |= {"Authorization": f"Bearer {token}"} if token else {}
                answer = session.head(url, headers=headers, timeout=_SECONDS, allow_redirects=True)
    return answer.status_code, answer.headers.get("Docker-Content-Digest")


def _by_skopeo(name: str, version: str) -> tuple[int, str | None]:
    sign = "@" if ":" in version else ":"
    plain = ["--tls-verify=false"] if _is_here(name.partition("/")[0]) else []
    command = ["skopeo", "inspect", *plain, "--format", "{{.Digest}}", f"docker://{name}{sign}{version}"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SKOPEO_SECONDS)
    except subprocess.TimeoutExpired:
        return 504, None
    if answer.returncode == 0:
        return 200, answer.stdout.strip() or None
    return (404 if "manifest unknown" in answer.stderr else 401), None
