"""Variables of a command: `$OUT`, `$DATA_HOLDOUT`, `$CANDIDATE`, replaced in its arguments by lockgate and by no shell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from lockgate.errors import guess

OUT = "OUT"
_DATA = "DATA_"
FILES, VERSION, URL = OF_ROLE = ("", "_VERSION", "_URL")
_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|(?P<name>[A-Z][A-Z0-9_]*))")


def data_variable(name: str) -> str:
    """`DATA_HOLDOUT`: the variable of the data `holdout`."""
    return _DATA + re.sub("[^A-Z0-9]", "_", name.upper())


def role_variable(role: str, suffix: str = FILES) -> str:
    """`CANDIDATE`, the folder of its files; `CANDIDATE_VERSION`; `CANDIDATE_URL`, where it is served."""
    return role.upper() + suffix


def all_variables(data: Iterable[str]) -> list[str]:
    """The variables of a command that is handed this data."""
    roles = [role_variable(role, suffix) for role in ("candidate", "champion") for suffix in OF_ROLE]
    return [OUT, *map(data_variable, data), *roles]


def mentioned(texts: Iterable[str]) -> list[str]:
    """The variables that texts mention, each once."""
    names = (match["name"] for text in texts for match in _VARIABLE.finditer(text))
    return list(dict.fromkeys(filter(None, names)))


def unknown(texts: Iterable[str], data: Iterable[str]) -> Iterator[str]:
    """What is mentioned and stands for nothing, a sentence each."""
    names = all_variables(data)
    for name in mentioned(texts):
        if name not in names:
            words = f"${name} stands for nothing here; known: {', '.join(f'${each}' for each in names)}"
            rows = "; rows are handed over by data:" if name.startswith(_DATA) else ""
            yield f"{words}{guess(name, names)}{rows}; a dollar sign is written $$"


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with the values of its variables. Raises KeyError for one without a value."""
    return _VARIABLE.sub(lambda match: "$" if match["escaped"] else values[match["name"]], text)
