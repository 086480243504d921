"""Hosts that rows are sent to: a pipeline names each of them, and no variable chooses another."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from lockgate.pipeline.variables import defaults


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
