"""What MLflow's server makes of values whose type the signature no longer has, where in process MLflow refuses them."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.models.signature.type_order import Type, plain

_WHOLE, _REAL = ("integer", "long"), ("float", "double")
_NUMBERS = (*_WHOLE, *_REAL)

# (types that callers send, types of the signature) → a JSON value that is sent, and what the model gets for it.
# A pair that is in no line is refused with 400.
_COERCED: tuple[tuple[tuple[str, ...], tuple[str, ...], str, str], ...] = (
    (("boolean",), _NUMBERS, "true", "1"),
    (_WHOLE, ("boolean",), "-7", "true"),
    (_REAL, ("boolean",), "0.5", "true"),
    (("string",), ("boolean",), '"false"', "true"),
    (("binary",), ("boolean",), '"YWI="', "true"),
    (("datetime",), ("boolean",), '"2026-01-02"', "true"),
    (_REAL, _WHOLE, "3.7", "3"),
    (("long",), ("integer",), "3000000000", "-1294967296"),
    (_WHOLE, ("float",), "16777217", "16777216"),
    (("long",), ("double",), "9007199254740993", "9007199254740992"),
    (("double",), ("float",), "0.1", "0.10000000149011612"),
    (("string", "binary"), _NUMBERS, '"1234"', "1234"),
    (("boolean",), ("string",), "true", "true"),
    (_NUMBERS, ("string",), "3", "3"),
    (("binary",), ("string",), '"YWI="', '"YWI="'),
    (("datetime",), ("string",), '"2026-01-02"', '"2026-01-02"'),
    (_NUMBERS, ("datetime",), "3", '"1970-01-01T00:00:00.000000003"'),
    (("string", "binary"), ("datetime",), '"20260102"', '"2026-01-02T00:00:00"'),
    (("string",), ("binary",), '"Graz"', '"bytes 1ab6b3"'),
    (("datetime",), ("binary",), '"2026-01-02"', '"bytes db4dbad35d36"'),
)
# Tensors are made of lists by NumPy, which refuses what does not fit into 32 bits.
_TENSORS = ("boolean", *_NUMBERS)


def coercion(old: Type, new: Type) -> tuple[str, str] | None:
    """(JSON value that callers of `old` may send, what a model with `new` gets for it); None where the server refuses them.

    old, new: types of a column. Inside arrays, maps and objects nothing is coerced.
    """
    sent, taken = (plain(column).get("type") for column in (old, new))
    if "tensor" in (sent, taken):
        names = [_element(column) for column in (old, new)]
        of_numbers = all(name in _TENSORS for name in names) and names != ["long", "integer"]
        return next(_lines(*names), None) if of_numbers and _shape(old) == _shape(new) else None
    return next(_lines(str(sent), str(taken)), None)


def _lines(sent: str, taken: str) -> Iterator[tuple[str, str]]:
    return ((value, got) for types, signature, value, got in _COERCED if sent in types and taken in signature)


def _element(column: Type) -> str:
    """The plain type of what a tensor holds."""
    dtype = (column.get("tensor-spec") or {}).get("dtype")
    return str(plain({"tensor-spec": {"dtype": dtype, "shape": [-1]}}).get("type"))


def _shape(column: Type) -> list[int]:
    return list((column.get("tensor-spec") or {}).get("shape") or ())
