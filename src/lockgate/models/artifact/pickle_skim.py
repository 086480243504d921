"""Opcodes of plain data, which are most of a large pickle, in one loop: what a machine does with them, several times faster."""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any

from lockgate.models.artifact.pickle_values import NONE, TEXT, THING, Import, Importer, Made, fill

ARGUMENT_BYTES: Mapping[int, int] = {
    ord(opcode.code): 0 if opcode.arg is None else opcode.arg.n for opcode in pickletools.opcodes
}
NAMES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}
UP_TO_NEWLINE = pickletools.UP_TO_NEWLINE
LENGTH_BYTES = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
LONGEST = 300  # bytes of an opcode with its argument, as far as it is skimmed
KEPT = 1 << 17  # values that stay in the memo; beyond them imports, and names with a full stop
# Opcodes that push something of which nothing is kept → bytes of their arguments.
_THINGS = {ord(code): size for code, size in {"\x88": 0, "\x89": 0, "G": 8, "]": 0, "\x8f": 0}.items()}
_NUMBERS = {ord(code): size for code, size in {"K": 1, "M": 2}.items()}
_MEMOIZE, _BINPUT, _TEXT, _MARK, _APPENDS, _SETITEMS, _DICT, _NOTHING, _BINGET, _LONG_BINGET = b"\x94q\x8c(eu})hj"
_NONE = ord("N")
_TUPLE_2 = 0x86


def skim(
    buffer: bytes,
    at: int,
    stack: list[Any],
    marks: list[int],
    memo: dict[int, Any] | None,
    count: int,
    *,
    is_full: bool,
) -> tuple[int, int]:
    """Go on from `at` as far as there is only plain data; returns where that ends, and how many values the memo has then.

    memo: of a pickle that numbers its values one after the other, None where it does not. is_full: whether not all of it was kept. Whatever is not plain, or could break, is left
    to whoever calls.
    """
    end = len(buffer) - LONGEST
    push: Callable[[Any], None] = stack.append
    while at < end:
        code = buffer[at]
        if code in _THINGS:
            push(THING)
            at += 1 + _THINGS[code]
        elif code == _NONE:
            push(NONE)
            at += 1
        elif code == _MEMOIZE or (code == _BINPUT and buffer[at + 1] == count):
            if memo is None or not stack:
                break
            kind = type(stack[-1])
            if kind is str or kind is tuple:
                if is_full or len(memo) >= KEPT:
                    if kind is str and "." in stack[-1]:
                        break
                else:
                    memo[count] = stack[-1]
            elif kind is Import or kind is Made:
                break
            count += 1
            at += 1 if code == _MEMOIZE else 2
        elif code in (_BINGET, _LONG_BINGET):
            if memo is None:
                break
            size = 1 if code == _BINGET else 4
            index = int.from_bytes(buffer[at + 1 : at + 1 + size], "little")
            value = memo.get(index, TEXT if is_full or len(memo) >= KEPT else THING)
            if type(value) is Importer:
                break
            push(value)
            at += 1 + size
        elif code == _TEXT:
            size = buffer[at + 1]
            text = buffer[at + 2 : at + 2 + size]
            if not text.isascii():
                break
            push(text.decode("ascii"))
            at += 2 + size
        elif code in _NUMBERS:
            size = _NUMBERS[code]
            push(int.from_bytes(buffer[at + 1 : at + 1 + size], "little"))
            at += 1 + size
        elif code == _MARK:
            marks.append(len(stack))
            at += 1
        elif code in (_APPENDS, _SETITEMS):
            start = marks[-1] if marks else 0
            if start < 1 or isinstance(stack[start - 1], Import):
                break
            if code == _SETITEMS:
                fill(stack[start - 1], stack[start:])
            del stack[start:]
            marks.pop()
            at += 1
        elif code == _DICT:
            push({})
            at += 1
        elif code == _NOTHING:
            push(())
            at += 1
        elif code == _TUPLE_2 and len(stack) >= 2 + (marks[-1] if marks else 0):
            stack[-2:] = [(stack[-2], stack[-1])]
            at += 1
        else:
            break
    return at, count
