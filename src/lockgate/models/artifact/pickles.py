"""What a pickle would do where it is loaded: the names that it imports and calls, judged by what a model may hold."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from lockgate.models.artifact.byte_stream import ByteStream
from lockgate.models.artifact.imports import ImportRules
from lockgate.models.artifact.pickle_machine import Machine
from lockgate.models.artifact.pickle_values import Import, Made
from lockgate.models.artifact.problem import Broken, printable

Report = Callable[..., None]  # (kind, sentence, offset, allow)
_BESIDE, _AT_ALL = 1_000_000, 20_000_000  # opcodes of what may be no pickle, and bytes of all of it
_LEGACY_TORCH = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
_DEEPEST = 20
_JOBLIB_ARRAY = "joblib.numpy_pickle.NumpyArrayWrapper"


@dataclass
class PickleScan:
    """One file of pickles. only_calls: of a file that is none by its content, in which a name alone is mere text."""

    rules: ImportRules
    report: Report
    only_calls: bool = False
    _named: set[tuple[str, str]] = field(default_factory=set, init=False)
    _beside: int = field(default=0, init=False)
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
        try:
            Machine(stream, self, most=_BESIDE).run()
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
        objection = None if self.only_calls else self.rules.objection(imported)
        if objection is not None:
            self._unsafe(objection, offset, self.rules.allowable(imported))

    def calls(self, called: Any, arguments: Any, offset: int) -> None:
        objection = self.rules.call_objection(called, arguments)
        if self.only_calls:
            sentence = self.rules.objection(called) if isinstance(called, Import) else None
            objection = None if sentence is None else (sentence, called)
        if objection is not None:
            self._unsafe(objection[0], offset, None if objection[1] is None else self.rules.allowable(objection[1]))

    def makes(self, cls: Any, offset: int) -> None:
        if self.only_calls:
            self.calls(cls, None, offset)
        elif not isinstance(cls, Import):
            self._unsafe("makes an object of what cannot be told before it is loaded", offset, None)

    def changes(self, imported: Import, offset: int) -> None:
        if not self.only_calls:
            self._unsafe(f"changes {imported} itself, for everybody who uses it", offset, None)

    def hidden(self, sentence: str, offset: int) -> None:
        if not self.only_calls:
            self._unsafe(sentence, offset, None)

    def built(self, made: Made, stream: ByteStream) -> None:
        """Pass over an array that joblib writes between two opcodes: its bytes, or a pickle of its own."""
        if str(made.maker) != _JOBLIB_ARRAY or self.only_calls:
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
        scan = PickleScan(self.rules, self.report, only_calls=True)
        machine = Machine(beside, scan, beside=self._machine, most=_BESIDE)
        begin = beside.offset
        with suppress(Broken):
            machine.run()
        self._beside += beside.offset - begin
        if self._beside > _AT_ALL:
            raise Broken("its arrays are opcodes again and again", stream.offset)

    def _unsafe(self, sentence: str, offset: int, name: str | None) -> None:
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
    state = made.state if isinstance(made.state, tuple) else ()
    if not isinstance(name, str) or not name:
        return None
    kind, digits = name[0], name[1:]
    if kind == "O":
        return "object"
    if kind == "V":
        fields = state[4] if len(state) > 4 else None
        if isinstance(fields, dict):
            kinds = [_dtype(each[0]) if isinstance(each, tuple) and each else None for each in fields.values()]
            if not kinds or None in kinds:
                return None
            if "object" in kinds:
                return "object"
        elif fields is not None:
            return None
    if kind == "U":
        return 4 * int(digits) if digits.isdecimal() and len(digits) < 10 else None
    return int(digits) if kind in "biufcSVMm" and digits.isdecimal() and len(digits) < 10 else None
