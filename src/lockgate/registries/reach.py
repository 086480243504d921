"""Tell the addresses of registries that this machine alone reaches from those of servers."""

from __future__ import annotations

import re

_FILE = re.compile(r"sqlite:|file:|[./~]|mlruns")
_OWN_SERVER = re.compile(r"[\w+]+://([^/@]*@)?(localhost|127\.[0-9.]+|\[::1\])(?=[:/]|$)", re.IGNORECASE)


def is_file(uri: str) -> bool:
    """Whether it lies in a file or a folder of this machine."""
    return _FILE.match(uri) is not None


def is_here_alone(uri: str) -> bool:
    """Whether another machine cannot reach it: a file, or a server that listens on this machine only."""
    return is_file(uri) or _OWN_SERVER.match(uri) is not None
