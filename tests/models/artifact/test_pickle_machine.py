"""What the machine names is what an unpickler imports: of whole pickles, and of any opcodes in any order."""

from __future__ import annotations

import collections
import datetime
import decimal
import io
import pickle
import random
import struct
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lockgate.models.artifact import pickle_machine
from lockgate.models.artifact.byte_stream import ByteStream
from lockgate.models.artifact.pickle_machine import Machine
from lockgate.models.artifact.pickle_skim import LONGEST
from lockgate.models.artifact.pickle_values import Import, Made
from lockgate.models.artifact.problem import Broken, Unclear


class Witness:
    """Writes down what the machine says."""

    def __init__(self) -> None:
        self.imported: list[str] = []
        self.called: list[Any] = []
        self.is_hidden = False

    def imports(self, imported: Import, offset: int) -> None:
        self.imported.append(str(imported))

    def calls(self, called: Any, arguments: Any, offset: int) -> None:
        self.called.append(called)

    def makes(self, cls: Any, offset: int) -> None:
        pass

    def changes(self, imported: Import, offset: int) -> None:
        pass

    def hidden(self, sentence: str, offset: int) -> None:
        self.is_hidden = True

    def built(self, made: Made, stream: ByteStream) -> None:
        pass


class Stub:
    """Stands for whatever is imported: takes all, does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


class Unpickler(pickle.Unpickler):
    """The real one, which imports nothing."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.imported: list[str] = []

    def find_class(self, module: str, name: str) -> Any:
        self.imported.append(f"{module}.{name}")
        return Stub

    def persistent_load(self, pid: Any) -> Any:
        return None


def unnamed(real: Unpickler, witness: Witness) -> list[str]:
    """What was imported and the machine does not name, neither so nor by the name that stands for one of Python 2."""
    return [each for each in real.imported if not {each, renamed(each)} & set(witness.imported)]


def renamed(name: str) -> str:
    module, _, last = name.rpartition(".")
    return ".".join(NAME_MAPPING.get((module, last), (IMPORT_MAPPING.get(module, module), last)))


def witnessed(data: bytes) -> Witness:
    witness = Witness()
    with suppress(Broken):
        Machine(ByteStream(io.BytesIO(data)), witness).run()
    return witness


def text(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


MODULES, NAMES = ("os", "a.b", "__builtin__"), ("system", "X", "eval")
PIECES = st.one_of(
    st.sampled_from(MODULES + NAMES).map(text),
    st.sampled_from([b"c%s\n%s\n" % (module.encode(), name.encode()) for module in MODULES for name in NAMES]),
    st.sampled_from([b"i%s\n%s\n" % (module.encode(), name.encode()) for module in MODULES for name in NAMES]),
    st.sampled_from([bytes([code]) for code in b"()]}\x8f0129NR\x81\x92\x93bosaetduldQ\x85\x86\x87\x91\x94\x88\x89\x98"]),
    st.integers(0, 5).map(lambda index: b"q" + bytes([index])),
    st.integers(0, 5).map(lambda index: b"h" + bytes([index])),
    st.integers(0, 300).map(lambda index: b"r" + struct.pack("<I", index)),
    st.integers(0, 4).map(lambda index: b"p%d\n" % index),
    st.integers(0, 4).map(lambda index: b"g%d\n" % index),
    st.integers(0, 300).map(lambda index: b"j" + struct.pack("<I", index)),
    st.sampled_from([b"S'os'\n", b"Vsystem\n", b"I1\n", b"L1L\n", b"K\x01", b"J\1\0\0\0", b"G" + bytes(8), b"F1.5\n", b"C\1x"]),
    st.sampled_from([b"\x80\x02", b"\x80\x04", b"\x95" + bytes(8), b"U\2os", b"T\2\0\0\0os", b"\x8a\1\1", b"Pid\n"]),
)  # fmt: skip


@settings(max_examples=400)
@given(st.lists(PIECES, max_size=40).map(b"".join))
@example(text("os") + b"q\x05" + text("x") + b"\x94" + b"0h\x05" + text("system") + b"\x93.")
@example(text("os") + b"\x94" + text("system") + b"\x94q\x00" + b"h\x00h\x01\x93.")
@example(b"\x80\x02c__builtin__\neval\n.")
def test_nothing_is_imported_that_the_machine_does_not_name(opcodes: bytes) -> None:
    """In whatever order opcodes come, and wherever the pickle breaks."""
    data = b"\x80\x04" + opcodes + b"."
    real = Unpickler(data)
    with suppress(Exception):
        real.load()

    for behind in (b"", bytes(LONGEST)):  # with as many behind it, plain data is skimmed
        witness = witnessed(data + behind)
        assert witness.is_hidden or unnamed(real, witness) == []


VALUES: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | st.binary(max_size=9)
    | st.sampled_from(
        [decimal.Decimal(1), datetime.date(2020, 1, 1), collections.OrderedDict(a=1), random.Random, bytearray(b"x")]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=20,
)  # fmt: skip


@given(VALUES, st.integers(0, 5), st.sampled_from([0, 3, LONGEST]))
def test_a_whole_pickle_is_read_to_its_end(value: Any, protocol: int, more: int) -> None:
    """By every protocol; what stands behind it is left there."""
    data = pickle.dumps(value, protocol)
    real = Unpickler(data)
    with suppress(TypeError, AttributeError):  # a stub holds nothing
        real.load()
    witness, stream = Witness(), ByteStream(io.BytesIO(data + b"x" * more))

    Machine(stream, witness).run()

    assert (stream.offset, stream.peek(9)) == (len(data), b"x" * min(more, 9))
    assert unnamed(real, witness) == []


@pytest.mark.parametrize("size", [2**40, 2**62])
def test_a_length_that_is_a_lie_costs_nothing(size: int) -> None:
    """Bytes are passed over, and never made room for."""
    with pytest.raises(Broken, match="ends too early"):
        Machine(ByteStream(io.BytesIO(b"\x80\x04\x8e" + struct.pack("<Q", size) + b"x" * 99)), Witness()).run()


def test_a_long_text_is_no_name() -> None:
    """It is not kept; what is imported by it is reported as hidden."""
    witness = witnessed(b"\x80\x04X" + struct.pack("<I", 5000) + b"o" * 5000 + text("system") + b"\x93.")

    assert (witness.imported, witness.is_hidden) == ([], True)


@pytest.mark.parametrize(
    "unit",
    [
        b"\x8c\xff" + b"a" * 255,
        b"K\x01\x86",
        b"}",
        b"(",
        b"\x8c\x02ab",
        b"X\0\4\0\0" + "\U0001f600".encode() + b"a" * 1020,
    ],
    ids=["long texts", "nested tuples", "empty dicts", "marks", "short texts", "wide texts"],
)
def test_what_piles_up_is_bounded_in_memory(unit: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compressed a thousand times it is a small file, and would be read as long as the unpickler holds it."""
    monkeypatch.setattr(pickle_machine, "_MOST_HELD", 1 << 20)
    monkeypatch.setattr(pickle_machine, "_WEIGHED_EVERY", 1 << 14)
    begin = b"\x80\x04(K\x01"
    endless = io.BytesIO(begin + unit * ((4 << 20) // len(unit)) + b"1N.")

    with pytest.raises(Unclear, match="piles up more than 1 MiB") as raised:
        Machine(ByteStream(endless), Witness()).run()

    assert raised.value.offset is not None
    assert raised.value.offset < 2 << 20  # of 4 MiB


def test_a_memo_of_long_texts_is_bounded_and_hides_no_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that was not kept is reported as hidden."""
    monkeypatch.setattr(pickle_machine, "_MOST_HELD", 1 << 16)
    monkeypatch.setattr(pickle_machine, "_WEIGHED_EVERY", 1 << 14)
    texts = b"".join(text("x" * 200) + b"\x940" for _ in range(2000))
    late = text("system") + b"\x940" + text("os") + b"h\xff0j" + struct.pack("<I", 2000) + b"\x93)R."

    witness = witnessed(b"\x80\x04" + texts + late)

    assert witness.is_hidden
