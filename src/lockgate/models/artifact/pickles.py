"""What a pickle would do where it is loaded: the names that it imports and calls, judged by what a model may hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from lockgate.models.artifact.byte_stream import ByteStream
from lockgate.models.artifact.imports import ImportRules
from lockgate.models.artifact.pickle_machine import Machine
from lockgate.models.artifact.pickle_values import JOBLIB_ARRAY, NONE, Import, Made
from lockgate.models.artifact.problem import Broken, Unclear, printable

Report = Callable[..., None]  # (kind, sentence, offset, allow)
_BESIDE = 20_000_000  # bytes of arrays that are opcodes
_HEIGHTS = 1 << 27  # of the stacks that all of them begin with
_LEGACY_TORCH = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
_DEEPEST = 20
_HOLDS_OBJECTS = 1  # a flag of numpy.dtype


@dataclass
class PickleScan:
    """One file of pickles. only_calls: of a file that is none by its content, in which a name alone is mere text, until it calls something.

    passes_arrays: as joblib does.
    """

    rules: ImportRules
    report: Report
    only_calls: bool = False
    passes_arrays: bool = True
    _silent: list[tuple[str, int, str | None]] = field(default_factory=list, init=False)
    _named: set[tuple[str, str]] = field(default_factory=set, init=False)
    _beside: int = field(default=0, init=False)
    _heights: int = field(default=0, init=False)
    _machine: Machine | None = field(default=None, init=False)
    _depth: int = field(default=0, init=False)

    def scan(self, stream: ByteStream) -> None:
        """All pickles of a file, one behind the other. Raises Broken where one breaks off."""
        if _LEGACY_TORCH in stream.peek(16):  # the numbers of its tensors stand behind five pickles
            for _ in range(5):
                self._one(stream)
            return
        self._one(stream)
        while (head := stream.peek(2)) and head[0] == 0x80 and len(head) == 2 and head[1] <= 5:
            self._one(stream)
        begin = stream.offset
        if rest := stream.rest():
            raise Broken(f"{rest:,} bytes stand behind its end, which is no pickle", begin)

    def try_as_pickle(self, stream: ByteStream) -> None:
        """What the bytes of any file would do if somebody took them for a pickle; that they are none is no fault."""
        self.only_calls = True
        self._machine = Machine(stream, self)
        self._try(self._machine)

    def _try(self, machine: Machine) -> None:
        try:
            machine.run()
        except Unclear:
            raise
        except Broken:
            return

    def _one(self, stream: ByteStream) -> None:
        before, self._machine = self._machine, Machine(stream, self)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Broken("it is nested too deep", stream.offset)
        try:
            self._machine.run()
        finally:
            self._machine = before
            self._depth -= 1

    # what the machine meets

    def imports(self, imported: Import, offset: int) -> None:
        objection = self.rules.objection(imported)
        if objection is not None:
            self._unsafe(objection, offset, self.rules.allowable(imported))

    def calls(self, called: Any, arguments: Any, offset: int) -> None:
        self._does_something(called)
        objection = self.rules.call_objection(called, arguments)
        if objection is not None and not self.only_calls:
            self._unsafe(objection[0], offset, None if objection[1] is None else self.rules.allowable(objection[1]))

    def makes(self, cls: Any, offset: int) -> None:
        self._does_something(cls)
        if not isinstance(cls, Import) and not self.only_calls:
            self._unsafe("makes an object of what cannot be told before it is loaded", offset, None)

    def changes(self, imported: Import, offset: int) -> None:
        self._does_something(imported)
        self._unsafe(f"changes {imported} itself, for everybody who uses it", offset, None)

    def hidden(self, sentence: str, offset: int) -> None:
        self._unsafe(sentence, offset, None)

    def _does_something(self, by: Any) -> None:
        """A file that calls or changes what it imported is a pickle, whatever else it is."""
        if self.only_calls and (self._silent or isinstance(by, Import | Made)):
            self.only_calls = False
            for each in self._silent:
                self._unsafe(*each)

    def built(self, made: Made, stream: ByteStream) -> None:
        """Pass over an array that joblib writes between two opcodes: its bytes, or a pickle of its own."""
        if str(made.maker) != JOBLIB_ARRAY or not self.passes_arrays:
            return
        state = made.state if isinstance(made.state, dict) else {}
        kind = _dtype(state.get("dtype"))
        shape = state.get("shape")
        if kind is None or not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
            raise Broken("it holds an array whose size it does not say", stream.offset)
        if kind == "object":
            self._one(stream)
            return
        self._read_as_plain(stream)
        size = kind
        for extent in shape:
            size *= extent
        if state.get("numpy_array_alignment_bytes") is not None:
            stream.skip(stream.byte())
        stream.skip(size)

    def _read_as_plain(self, stream: ByteStream) -> None:
        """Look at the array's bytes as `pickle.load`, which knows of no arrays, would go on with them."""
        beside = stream.fork()
        if beside is None or self._machine is None:
            return
        scan = PickleScan(self.rules, self.report, only_calls=True, passes_arrays=False)
        begin = beside.offset
        scan._try(Machine(beside, scan, beside=self._machine, most=_BESIDE - self._beside))
        self._beside += beside.offset - begin
        self._heights += self._machine.height
        if self._heights > _HEIGHTS:
            raise Broken("its arrays are opcodes again and again", stream.offset)

    def _unsafe(self, sentence: str, offset: int, name: str | None) -> None:
        if self.only_calls:
            if len(self._silent) < 1000:
                self._silent.append((sentence, offset, name))
            return
        key = (sentence, name or "")
        if key in self._named:
            return
        if len(self._named) < 1000:
            self._named.add(key)
        allow: tuple[Literal["imports"], str] | None = None if name is None else ("imports", name)
        self.report("unsafe_files", printable(sentence), offset, allow)


def _dtype(made: Any) -> int | Literal["object"] | None:
    """The bytes of an item of a numpy.dtype as its pickle has it, `object` where it holds objects; None where that is unclear."""
    if not isinstance(made, Made) or str(made.maker) != "numpy.dtype":
        return None
    name = made.arguments[0] if isinstance(made.arguments, tuple) and made.arguments else None
    state = made.state if isinstance(made.state, tuple) and len(made.state) >= 8 else ()
    if not isinstance(name, str) or not name or (made.is_built and not state):
        return None
    kind, digits = name[0], name[1:]
    if kind == "O":
        return "object"
    size = int(digits) * (4 if kind == "U" else 1) if digits.isdecimal() and len(digits) < 10 else None
    if state and not _is_as_named(kind, size, state):
        return None
    if kind == "V":
        fields = state[4] if state else NONE
        if isinstance(fields, dict):
            kinds = [_dtype(each[0]) if isinstance(each, tuple) and each else None for each in fields.values()]
            if not kinds or None in kinds:
                return None
            if "object" in kinds:
                return "object"
        elif fields is not NONE:
            return None
    return size if kind in "biufcSUVMm" else None


def _is_as_named(kind: str, size: int | None, state: tuple[Any, ...]) -> bool:
    """Whether a numpy.dtype is of the size that its name says, by its state: version, order, subarray, names, fields, size, alignment, flags."""
    subarray, names, fields, stored, flags = *state[2:6], state[7]
    if kind == "V":
        return bool(stored == size)
    holds_numbers = type(flags) is int and not flags & _HOLDS_OBJECTS
    is_one = subarray is NONE and names is NONE and fields is NONE
    return is_one and holds_numbers and (stored == size or (stored == -1 and kind not in "SU"))
