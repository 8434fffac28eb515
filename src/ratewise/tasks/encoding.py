"""States as plain bytes: JSON and the numbers behind it, read without running anything.

What comes back is what went in: kinds, bits, shapes, the order of keys and of numbers in memory,
and one thing in place of one thing where a state holds it twice. What cannot be told like that is
refused, never approximated.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ratewise.tasks.drawn import drawn, redrawn

DEEPEST = 200
"""Containers in containers that are told."""

SMALL = 2**53
"""Whole numbers up to here are those of JSON; larger ones are told in hexadecimal digits."""

_DTYPE = re.compile(r"[<>|=]?([?biufcSU]\d*|[mM]8(\[\d*\w+\])?)")
_SHORT = re.compile(r"(bfloat|float|int|uint)\w+")
_ALIGNED = 64
"""Numbers begin at multiples of so many bytes."""

_LISTS: dict[type, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}
_MAPPINGS: dict[type, str] = {dict: "dict", OrderedDict: "ordered"}


class NotPlain(Exception):
    """A value that is more than numbers, texts and containers of them."""


class Encoder:
    """Tells one state.

    Args:
        more: Modules with `encode(value, encoder)` for the values of a framework, by its name.
    """

    def __init__(self, more: Mapping[str, Any]) -> None:
        self._more = more
        self._content = bytearray()
        self._places: dict[int, int] = {}
        self._open: set[int] = set()
        self._told: list[Any] = []

    def bytes_of(self, state: Any) -> bytes:
        """Return a state as bytes.

        Raises:
            NotPlain: it holds what cannot be told.
        """
        text = json.dumps(self.node(state), separators=(",", ":")).encode()
        head = len(text).to_bytes(8, "little") + text
        return head + bytes(-len(head) % _ALIGNED) + bytes(self._content)

    def node(self, value: Any) -> Any:
        """Return a value as JSON; numbers of arrays go behind it."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if -SMALL < value < SMALL else ["int", hex(value)]
        if kind is float:
            if math.isfinite(value):
                return value
            return ["float", struct.pack(">d", value).hex()]
        if kind is complex:
            return ["complex", self.node(value.real), self.node(value.imag)]
        if kind is bytes:
            return ["bytes", *self.put(value)]
        if isinstance(value, np.generic):
            return ["number", *_dtype(value.dtype), *self.put(value.tobytes())]
        return self._thing(value)

    def put(self, content: Any) -> list[int]:
        """Put bytes behind the text; return where they begin and how many they are."""
        start = len(self._content)
        self._content += content
        size = len(self._content) - start
        self._content += bytes(-size % _ALIGNED)
        return [start, size]

    def _thing(self, value: Any) -> Any:
        """Return what can change, and so is one thing wherever it is met."""
        if id(value) in self._places:
            return ["same", self._places[id(value)]]
        if id(value) in self._open or len(self._open) >= DEEPEST:
            raise NotPlain(type(value))
        self._open.add(id(value))
        node = self._described(value)
        self._open.discard(id(value))
        self._places[id(value)] = len(self._told)
        self._told.append(value)  # so that its number stays its own
        return node

    def _described(self, value: Any) -> Any:
        kind = type(value)
        if kind in _LISTS:
            return [_LISTS[kind], *map(self.node, value)]
        if kind in _MAPPINGS:
            more = [self.node(vars(value))] if kind is OrderedDict else []
            pairs = [[self.node(name), self.node(one)] for name, one in value.items()]
            return [_MAPPINGS[kind], *more, *pairs]
        if kind is deque:
            return ["deque", value.maxlen, *map(self.node, value)]
        if kind is bytearray:
            return ["bytearray", *self.put(value)]
        if kind is np.ndarray:
            order = "F" if value.flags.f_contiguous and not value.flags.c_contiguous else "C"
            content = value.tobytes(order)
            return ["array", *_dtype(value.dtype), list(value.shape), order, *self.put(content)]
        state = drawn(value)
        if state is not None:
            return ["drawn", *map(self.node, state)]
        for name, module in self._more.items():
            node = module.encode(value, self)
            if node is not None:
                return [name, *node]
        raise NotPlain(kind)


class Decoder:
    """Makes a state again.

    Args:
        more: What returns the module with `decode(node, decoder)` for a framework, by its name.
    """

    def __init__(self, more: Mapping[str, Callable[[str], Any]]) -> None:
        self._more = more
        self._content = memoryview(b"")
        self._made: list[Any] = []

    def value_of(self, data: memoryview) -> Any:
        """Return the state in some bytes.

        Raises:
            ValueError: there is none in them.
            ImportError: its framework is not installed.
        """
        size = int.from_bytes(data[:8], "little")
        begin = 8 + size + -(8 + size) % _ALIGNED
        if begin > len(data):
            raise ValueError("cut")
        try:
            node = json.loads(bytes(data[8 : 8 + size]))
            self._content = data[begin:]
            return self.value(node)
        except (ArithmeticError, AttributeError, LookupError, TypeError, RecursionError) as error:
            raise ValueError(f"no state: {error}") from None

    def value(self, node: Any) -> Any:
        """Return the value that JSON stands for."""
        if not isinstance(node, list):
            if isinstance(node, dict):
                raise ValueError("no node")
            return node
        tag, *rest = node
        simple = _SIMPLE.get(tag)
        if simple is not None:
            return simple(self, *rest)
        made = self._thing(tag, rest)
        self._made.append(made)
        return made

    def get(self, start: int, size: int) -> memoryview:
        """Return bytes from behind the text."""
        if not (isinstance(start, int) and isinstance(size, int)):
            raise TypeError("no place")
        if not 0 <= start <= start + size <= len(self._content):
            raise ValueError("cut")
        return self._content[start : start + size]

    def _thing(self, tag: str, rest: list[Any]) -> Any:
        if tag in _MADE:
            return _MADE[tag](map(self.value, rest))
        if tag == "dict":
            return {self.value(name): self.value(one) for name, one in rest}
        if tag == "ordered":
            more, *pairs = rest
            held = self.value(more)
            made = OrderedDict((self.value(name), self.value(one)) for name, one in pairs)
            vars(made).update(held)
            return made
        if tag == "deque":
            most, *items = rest
            return deque(map(self.value, items), most)
        if tag == "bytearray":
            return bytearray(self.get(*rest))
        if tag == "array":
            return self._array(*rest)
        if tag == "drawn":
            return redrawn(*map(self.value, rest))
        return self._more[tag](tag).decode(rest, self)

    def _array(self, kind: str, shape: list[int], order: str, start: int, size: int) -> Any:
        if order not in ("C", "F"):
            raise ValueError(order)
        dtype = read_dtype(kind)
        flat = np.frombuffer(self.get(start, size), dtype) if dtype.itemsize else np.empty(0, dtype)
        if dtype.itemsize and math.prod(shape) * dtype.itemsize != size:
            raise ValueError("another size")
        if not dtype.itemsize:
            return np.zeros(tuple(shape), dtype)
        return np.array(flat.reshape(tuple(shape), order=order), order=order, copy=True)  # pyright: ignore

    def number(self, kind: str, start: int, size: int) -> Any:
        """Return a number of numpy's."""
        return np.frombuffer(self.get(start, size), read_dtype(kind))[0]


_MADE: dict[str, Callable[[Any], Any]] = {tag: kind for kind, tag in _LISTS.items()}
_SIMPLE: dict[str, Callable[..., Any]] = {
    "int": lambda self, text: int(text, 16),
    "float": lambda self, text: struct.unpack(">d", bytes.fromhex(text))[0],
    "complex": lambda self, real, imag: complex(self.value(real), self.value(imag)),
    "bytes": lambda self, start, size: bytes(self.get(start, size)),
    "number": Decoder.number,
    "same": lambda self, place: self._made[place],
}


def _dtype(dtype: Any) -> list[str]:
    """Return what a dtype is called, where reading it again gives the very same."""
    if dtype.kind == "V" and _SHORT.fullmatch(dtype.name) and np.dtype(dtype.type) == dtype:
        return [f"ml {dtype.name}"]  # short floats of ml_dtypes
    if dtype.hasobject or dtype.names or dtype.metadata or not _DTYPE.fullmatch(dtype.str):
        raise NotPlain(dtype)
    return [dtype.str]


def read_dtype(text: str) -> Any:
    """Return the dtype that a text names.

    Raises:
        ValueError: it names none, or one that is more than numbers.
    """
    if text.startswith("ml ") and _SHORT.fullmatch(text[3:]):
        import ml_dtypes

        return np.dtype(getattr(ml_dtypes, text[3:]))
    if not _DTYPE.fullmatch(text):
        raise ValueError("no dtype")
    return np.dtype(text)
