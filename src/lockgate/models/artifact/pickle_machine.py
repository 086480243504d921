"""Go through a pickle opcode by opcode as the unpickler would, on stand-ins: what is imported, called and built is named, never done."""

from __future__ import annotations

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lockgate.models.artifact.byte_stream import ByteStream
from lockgate.models.artifact.pickle_skim import ARGUMENT_BYTES, KEPT, LENGTH_BYTES, LONGEST, NAMES, UP_TO_NEWLINE, skim
from lockgate.models.artifact.pickle_values import (
    JOBLIB_ARRAY,
    NONE,
    TEXT,
    THING,
    Import,
    Importer,
    Made,
    Observer,
    fill,
    unquoted,
    weight,
)  # fmt: skip
from lockgate.models.artifact.problem import Broken, Unclear

_LONGEST_TEXT = 1 << 10  # bytes of a text that may be a name, or an argument that matters
_MOST_HELD = 1 << 28  # bytes of memory for what waits on the stack, and as many for the memo
_WEIGHED_EVERY = 1 << 22  # bytes of the stream
_LONGEST_NAME = 1 << 8  # of a text that stays in a full memo
_ITEMS = 64  # of a tuple that is followed


@dataclass
class Machine:
    """One pickle. beside: whose stack and memo this one begins with, and does not change. most: bytes that are looked at, all where None."""

    stream: ByteStream
    observer: Observer
    beside: Machine | None = None
    most: int | None = None
    _stack: list[Any] = field(default_factory=list, init=False)
    _marks: list[int] = field(default_factory=list, init=False)
    _own: dict[int, Any] = field(default_factory=dict, init=False)
    _memo: Mapping[int, Any] = field(default_factory=dict, init=False)
    _without_hole: int = field(default=0, init=False)
    _behind_hole: set[int] = field(default_factory=set, init=False)
    _protocol: int = field(default=0, init=False)
    _offset: int = field(default=0, init=False)
    _is_full: bool = field(default=False, init=False)
    _arrays: int = field(default=0, init=False)  # of joblib, that were made and not read yet
    _arrays_are_read: bool = field(default=False, init=False)
    _importers: list[int] = field(default_factory=list, init=False)  # where they stand on the stack
    _weighed_at: int = field(default=0, init=False)  # where it is next

    def run(self) -> None:
        """Up to the end of the pickle, the stream behind it then. Raises Broken where it breaks off, Unclear where others may go on."""
        if self.beside is not None:
            self._memo, self._without_hole = self.beside._own, self.beside._without_hole
            self._behind_hole = set(self.beside._behind_hole)
            # of what stands there nothing is changed, so no dict of it is followed
            self._stack = [THING if isinstance(each, dict) else each for each in self.beside._stack]
            self._marks, self._importers = list(self.beside._marks), list(self.beside._importers)
        stream = self.stream
        last = None if self.most is None else stream.offset + self.most
        while True:
            if not self._importers:
                self._skim()
            self._offset = stream.offset
            code = stream.byte()
            handler = _HANDLERS[code]
            if handler is None:
                raise Broken(f"byte {code:#04x} is no opcode of a pickle", self._offset)
            size = ARGUMENT_BYTES[code]
            if size == 0:
                argument: Any = b""
            elif size > 0:
                argument = stream.take(size)
            elif size == UP_TO_NEWLINE:
                argument = stream.line()
            else:
                argument = self._counted(size)
            try:
                ended = handler(self, code, argument)
            except IndexError:
                raise Broken(f"{NAMES[code]} finds nothing on the stack", self._offset) from None
            except UnicodeDecodeError:
                raise Broken("it has a text that is none", self._offset) from None
            if self._importers and len(self._stack) <= self._importers[-1]:
                self._importers.pop()
                self.observer.hidden("hands on a function that imports what it is handed", self._offset)
            if ended:
                return
            if self._offset >= self._weighed_at:
                self._weigh()
            if last is not None and self._offset > last:
                raise Unclear("its arrays are opcodes again and again", self._offset)

    def _skim(self) -> None:
        """Pass over plain data, as far as it is in the stream's buffer."""
        buffer, at = self.stream.window(LONGEST)
        memo = None if self._behind_hole or self._memo else self._own
        self._is_full = self._is_full or len(self._own) >= KEPT
        at, self._without_hole = skim(
            buffer, at, self._stack, self._marks, memo, self._without_hole, is_full=self._is_full
        )
        self.stream.advance(at)

    def _weigh(self) -> None:
        """Bound the memory, whatever a file unpacks to: of a memo that is too heavy as of one that is too long."""
        self._is_full = self._is_full or len(self._own) >= KEPT or weight(self._own.values(), _MOST_HELD) > _MOST_HELD
        held = weight(self._stack, _MOST_HELD, besides=set(map(id, self._own.values()))) + weight(
            self._marks, _MOST_HELD
        )
        if held > _MOST_HELD:
            raise Unclear(f"it piles up more than {_MOST_HELD >> 20} MiB of values, which no model does", self._offset)
        self._weighed_at = self._offset + max(_WEIGHED_EVERY, held >> 4)  # so that it costs no more than reading

    def _counted(self, size: int) -> bytes | None:
        """A text or bytes behind their length; None where they are too long to be of interest."""
        length = int.from_bytes(self.stream.take(LENGTH_BYTES[size]), "little")
        if length <= _LONGEST_TEXT:
            return self.stream.take(length)
        self.stream.skip(length)
        return None

    # the stack

    @property
    def height(self) -> int:
        """What a machine beside this one begins with."""
        return len(self._stack) + len(self._marks) + len(self._behind_hole)

    def _push(self, value: Any) -> None:
        if isinstance(value, Importer):
            self._importers.append(len(self._stack))
        self._stack.append(value)

    def _pop(self) -> Any:
        if self._marks and self._marks[-1] == len(self._stack):
            raise IndexError
        return self._stack.pop()

    def _pop_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _top(self) -> Any:
        return self._stack[-1]

    # opcodes

    def _end(self, code: int, argument: bytes) -> bool:
        self._pop()
        if self._arrays:
            raise Unclear("it holds an array in another way than joblib writes one", self._offset)
        return True

    def _ignore(self, code: int, argument: bytes) -> None:
        pass

    def _proto(self, code: int, argument: bytes) -> None:
        self._protocol = argument[0]
        if self._protocol > 5:
            raise Broken(f"it is of protocol {self._protocol}, and there are 0 to 5", self._offset)

    def _mark(self, code: int, argument: bytes) -> None:
        self._marks.append(len(self._stack))

    def _drop(self, code: int, argument: bytes) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def _drop_mark(self, code: int, argument: bytes) -> None:
        self._pop_mark()

    def _dup(self, code: int, argument: bytes) -> None:
        self._push(self._top())

    def _thing(self, code: int, argument: bytes) -> None:
        self._stack.append(THING)

    def _none(self, code: int, argument: bytes) -> None:
        self._stack.append(NONE)

    def _number(self, code: int, argument: bytes | None) -> None:
        self._stack.append(int.from_bytes(argument or b"", "little", signed=True))

    def _unsigned(self, code: int, argument: bytes) -> None:
        self._stack.append(int.from_bytes(argument, "little"))

    def _number_line(self, code: int, argument: bytes) -> None:
        try:
            self._stack.append(int(argument.rstrip(b"L")[:_LONGEST_TEXT], 0))
        except ValueError:  # as C has it, or none
            self._stack.append(THING)

    def _text(self, code: int, argument: bytes | None) -> None:
        self._stack.append(TEXT if argument is None else argument.decode("utf-8", "surrogatepass"))

    def _text_line(self, code: int, argument: bytes) -> None:
        self._stack.append(TEXT if len(argument) > _LONGEST_TEXT else argument.decode("raw-unicode-escape"))

    def _quoted_line(self, code: int, argument: bytes) -> None:
        text = None if len(argument) > _LONGEST_TEXT else unquoted(argument)
        self._stack.append(TEXT if text is None else text)

    def _latin_text(self, code: int, argument: bytes | None) -> None:
        self._stack.append(TEXT if argument is None else argument.decode("latin-1"))

    def _tuple(self, code: int, argument: bytes) -> None:
        items = self._pop_mark()
        self._stack.append(tuple(items) if len(items) <= _ITEMS else THING)

    def _short_tuple(self, code: int, argument: bytes) -> None:
        self._stack.append(tuple([self._pop() for _ in range(code - 0x84)][::-1]))

    def _empty_tuple(self, code: int, argument: bytes) -> None:
        self._stack.append(())

    def _empty_dict(self, code: int, argument: bytes) -> None:
        self._stack.append({})

    def _of_mark(self, code: int, argument: bytes) -> None:
        self._pop_mark()
        self._stack.append(THING)

    def _dict(self, code: int, argument: bytes) -> None:
        items = self._pop_mark()
        self._stack.append({})
        self._set(items)

    def _add(self, code: int, argument: bytes) -> None:
        self._pop()
        self._altered(self._top())

    def _add_all(self, code: int, argument: bytes) -> None:
        self._pop_mark()
        self._altered(self._top())

    def _set_item(self, code: int, argument: bytes) -> None:
        value, key = self._pop(), self._pop()
        self._set([key, value])

    def _set_items(self, code: int, argument: bytes) -> None:
        self._set(self._pop_mark())

    def _set(self, items: list[Any]) -> None:
        self._altered(top := self._top())
        fill(top, items)

    def _altered(self, target: Any) -> None:
        if isinstance(target, Import):
            self.observer.changes(target, self._offset)

    def _global(self, code: int, argument: bytes) -> None:
        self._push_import(argument.decode("utf-8", "replace"), self.stream.line().decode("utf-8", "replace"))

    def _stack_global(self, code: int, argument: bytes) -> None:
        name, module = self._pop(), self._pop()
        if isinstance(name, str) and isinstance(module, str):
            self._push_import(module, name)
        else:
            self.observer.hidden("imports what cannot be read from it", self._offset)
            self._stack.append(THING)

    def _push_import(self, module: str, name: str) -> None:
        if self._protocol < 3:
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        imported = Import(module, name)
        self._push(Importer(module, name) if str(imported) in Importer.NAMES else imported)
        self.observer.imports(imported, self._offset)

    def _inst(self, code: int, argument: bytes) -> None:
        items = self._pop_mark()
        self._global(code, argument)
        self._made(self._pop(), tuple(items))

    def _obj(self, code: int, argument: bytes) -> None:
        items = self._pop_mark()
        self._made(items[0], tuple(items[1:]))

    def _reduce(self, code: int, argument: bytes) -> None:
        arguments, called = self._pop(), self._pop()
        if self._importers and self._importers[-1] == len(self._stack):
            self._importers.pop()
        self._made(called, arguments)

    def _made(self, called: Any, arguments: Any) -> None:
        self.observer.calls(called, arguments, self._offset)
        names = arguments if isinstance(arguments, tuple) else ()
        if isinstance(called, Importer) and [*map(type, names)] == [str, str]:
            self._push(Import(*arguments))
            return
        self._stack.append(Made(called, arguments) if isinstance(called, Import) else THING)

    def _new(self, code: int, argument: bytes) -> None:
        arguments = self._pop()
        if NAMES[code] == "NEWOBJ_EX":
            arguments = self._pop()
        cls = self._pop()
        self.observer.makes(cls, self._offset)
        self._arrays += self.beside is None and str(cls) == JOBLIB_ARRAY
        self._stack.append(Made(cls, arguments) if isinstance(cls, Import) else THING)

    def _build(self, code: int, argument: bytes) -> None:
        state, made = self._pop(), self._top()
        self._altered(made)
        if self.beside is not None:
            return
        if not isinstance(made, Made):
            if self._arrays_are_read and not isinstance(made, Import):
                raise Unclear("it fills what cannot be told from it, which may be an array", self._offset)
            return
        if made.counts and made.is_built:
            raise Unclear(f"it fills a {made.maker.name} twice", self._offset)
        made.state, made.is_built = state if made.counts else None, True  # nothing else is looked at again
        self.observer.built(made, self.stream)
        if str(made.maker) == JOBLIB_ARRAY:
            self._arrays -= 1
            self._arrays_are_read = True
            self._stack[-1] = THING  # joblib puts the array there

    def _extension(self, code: int, argument: bytes) -> None:
        self.observer.hidden("imports by a number of a registry that is nowhere in the files", self._offset)
        self._stack.append(THING)

    def _persistent(self, code: int, argument: bytes) -> None:
        self._pop()
        self._stack.append(THING)

    # the memo

    def _put(self, code: int, argument: bytes) -> None:
        self._keep(self._index(code, argument))

    def _memoize(self, code: int, argument: bytes) -> None:
        self._keep(self._without_hole + len(self._behind_hole))  # how many there are, whatever their indexes

    def _keep(self, index: int) -> None:
        value = self._top()
        if index == self._without_hole:
            self._without_hole += 1
            while self._without_hole in self._behind_hole:
                self._behind_hole.remove(self._without_hole)
                self._without_hole += 1
        elif index > self._without_hole:
            self._behind_hole.add(index)
            if len(self._behind_hole) > KEPT:
                raise Unclear("its memo has more holes than any pickle", self._offset)
        is_kept = isinstance(value, Import) or (isinstance(value, Made) and value.counts)
        if is_kept and len(self._own) >= 2 * KEPT:
            raise Unclear("its memo holds more names than any model's", self._offset)
        self._is_full = self._is_full or len(self._own) >= KEPT
        if (
            is_kept
            or (isinstance(value, str | Made | tuple) and not self._is_full)
            or index in self._memo
            or (isinstance(value, str) and "." in value and len(value) <= _LONGEST_NAME and len(self._own) < 2 * KEPT)
        ):
            self._own[index] = value
        else:
            self._own.pop(index, None)

    def _get(self, code: int, argument: bytes) -> None:
        index = self._index(code, argument)
        self._push(self._own.get(index, self._memo.get(index, TEXT if self._is_full else THING)))

    def _index(self, code: int, argument: bytes) -> int:
        if ARGUMENT_BYTES[code] != UP_TO_NEWLINE:
            return int.from_bytes(argument, "little")
        try:
            return int(argument)
        except ValueError:
            raise Broken("its memo has an index that is no number", self._offset) from None


_BY_NAME: Mapping[str, Callable[..., Any]] = {
    "STOP": Machine._end, "PROTO": Machine._proto, "MARK": Machine._mark, "NONE": Machine._none, "POP": Machine._drop,
    "POP_MARK": Machine._drop_mark, "DUP": Machine._dup, **dict.fromkeys(("FRAME", "READONLY_BUFFER"), Machine._ignore),
    **dict.fromkeys(("INT", "LONG"), Machine._number_line),
    **dict.fromkeys(("BININT", "LONG1", "LONG4"), Machine._number),
    **dict.fromkeys(("BININT1", "BININT2"), Machine._unsigned), "STRING": Machine._quoted_line,
    **dict.fromkeys(("BINSTRING", "SHORT_BINSTRING"), Machine._latin_text), "UNICODE": Machine._text_line,
    **dict.fromkeys(("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), Machine._text), "TUPLE": Machine._tuple,
    **dict.fromkeys(("TUPLE1", "TUPLE2", "TUPLE3"), Machine._short_tuple), "EMPTY_TUPLE": Machine._empty_tuple,
    "EMPTY_DICT": Machine._empty_dict, **dict.fromkeys(("LIST", "FROZENSET"), Machine._of_mark), "DICT": Machine._dict,
    "APPEND": Machine._add, **dict.fromkeys(("APPENDS", "ADDITEMS"), Machine._add_all), "SETITEM": Machine._set_item,
    "SETITEMS": Machine._set_items, "GLOBAL": Machine._global, "STACK_GLOBAL": Machine._stack_global,
    "INST": Machine._inst, "OBJ": Machine._obj, "REDUCE": Machine._reduce,
    **dict.fromkeys(("NEWOBJ", "NEWOBJ_EX"), Machine._new), "BUILD": Machine._build,
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), Machine._extension), "BINPERSID": Machine._persistent,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), Machine._put), "MEMOIZE": Machine._memoize,
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Machine._get),
}  # fmt: skip
_HANDLERS = tuple(_BY_NAME.get(NAMES[code], Machine._thing) if code in NAMES else None for code in range(256))
