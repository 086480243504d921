"""Hosts that rows are sent to: a pipeline names each of them, and no variable chooses another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lockgate.pipeline.variables import defaults

if TYPE_CHECKING:
    from lockgate.models.target_spec import Server


def misfit(address: str, *, written: str, hosts: Collection[str] | None) -> str | None:
    """Why rows may not be sent to an address, None where they may. It quotes the host alone.

    written: the address as the pipeline has it, with its variables. hosts: those that the pipeline allows; None where it has no
    such list, and the hosts in its addresses are those. This machine is always allowed.
    """
    host = _host(address)
    if host is None or _is_local(host):
        return None
    if hosts is not None:
        allowed = host in {each.lower() for each in hosts}
        return None if allowed else f"rows would be sent to {host}, which hosts does not name: {', '.join(hosts)}"
    if host == _host(defaults(written)):
        return None
    return (
        f"rows would be sent to {host}, which a variable chooses and this pipeline names nowhere; "
        f"write hosts: [{host}] if they may go there"
    )


def notes(servers: Iterable[tuple[str, Server]]) -> Iterator[str]:
    """What a run will refuse that cannot be known before: a host that a variable chooses. servers: (path, servers) as written."""
    for path, server in servers:
        for role in ("candidate", "champion"):
            written = server.url(role) or ""
            if server.hosts is None and "${" in written and _host(defaults(written)) is None:
                yield (
                    f"{path}.{role}: a variable chooses the host, so rows go there on this machine alone; "
                    "write hosts: [NAME] where they may go to another"
                )


def _host(address: str) -> str | None:
    """The host of an address; None where a variable stands in it, or it is none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return None if parts.hostname is None or "${" in parts.hostname else parts.hostname


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
