"""OmegaConf's references: `${a.b}` is the value of another key, `${.b}` of one beside it.

Its own resolvers that need nothing but the config are known, `oc.select` and `oc.decode`; the
environment is not read, and other resolvers are code of somebody else's: their values are unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ratewise.convert.sources.limits import DEEPEST, LONGEST_STRING, NODES, settled, too_large
from ratewise.convert.sources.unknown import Partial, Unknown, like, rest_of
from ratewise.schedule.errors import Who

_VARIABLE = re.compile(r"\$\{([^\\{}()\[\]:. \t'\"]++)\}")
_OPENING = re.compile(r"(\\*+)\$\{")
_KEY = re.compile(r"""[^\\{}()\[\]:. \t'"]++""")
_RESOLVER = re.compile(r"\s*+([A-Za-z_][\w.]*+)\s*+:")
_WORD = re.compile(r"[\w/\-+.%*@ \t]*+")
_INT = re.compile(r"[+-]?(?:0|[1-9](?:_?\d)*+)")
_FLOAT = re.compile(r"[+-]?(?:\d[\d_]*+\.?[\d_]*+|\.\d[\d_]*+)(?:[eE][+-]?\d++)?|[+-]?(?i:inf|nan)")
_WORDS = {"true": True, "false": False, "null": None}
MISSING = "???"
"""What OmegaConf has in place of a value that whoever runs it has to give."""
_ABSENT = object()


def resolved(who: Who, value: Any) -> Any:
    """Return a config with its references resolved; one that cannot be is `Unknown`."""
    if not isinstance(value, dict) or not _any_reference(value):
        return value
    found = settled(who, _Resolver(who, value).inside(value, ()))
    before = value.referred if isinstance(value, Partial) else frozenset[str]()
    return Partial(found, rest_of(found), before | _named_in(value))


def _named_in(value: Any) -> set[str]:
    """Return the keys at the top level that the references in a config name."""
    return {name for text in _texts(value) for name in _VARIABLE.findall(text)}


def _refers(value: Any) -> bool:
    return isinstance(value, str) and "${" in value


def _any_reference(value: Any) -> bool:
    return any(True for _ in _texts(value))


def _texts(value: Any) -> Iterator[str]:
    """Return the texts with references of a config; only dicts and lists are looked into."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if _refers(one):
            yield one
        if isinstance(one, dict | list) and id(one) not in seen:  # pyright: ignore
            seen.add(id(one))  # pyright: ignore
            waiting.extend(one.values() if isinstance(one, dict) else one)  # pyright: ignore


class _Unresolved(Exception):
    """A reference cannot be resolved, and why."""


@dataclass
class _Cursor:
    """A text and how far it was read."""

    text: str
    at: int = 0

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Return what comes next, if it is this, and go behind it."""
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at
        return match

    def skip(self, word: str) -> bool:
        """Go behind a word, if it comes next."""
        found = self.text.startswith(word, self.at)
        self.at += len(word) * found
        return found

    def need(self, word: str) -> None:
        """Go behind a word that has to come next."""
        if not self.skip(word):
            raise _Unresolved("is not written as a reference")

    def spaces(self) -> None:
        """Go behind spaces."""
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1


_Path = tuple[Any, ...]


class _Resolver:
    """Resolves the references of a config, each once."""

    def __init__(self, who: Who, root: dict[Any, Any]) -> None:
        self._who, self._root = who, root
        self._active: set[_Path] = set()
        self._known: dict[_Path, Any] = {}
        self._nested = self._count = 0

    def inside(self, value: Any, path: _Path) -> Any:
        """Return a value at a path with all references in it resolved."""
        if path in self._known:
            return self._known[path]
        if path in self._active or len(self._active) > DEEPEST:
            rule = "refers to itself" if path in self._active else "is nested too deeply"
            raise _Unresolved(rule)
        self._count += 1
        if self._count > NODES:
            raise too_large(self._who, NODES, "values")
        self._active.add(path)
        try:
            self._known[path] = found = self._made(value, path)
        finally:
            self._active.discard(path)
        return found

    def _made(self, value: Any, path: _Path) -> Any:
        if isinstance(value, dict):
            items: dict[Any, Any] = value
            return like(items, {k: self._safe(item, (*path, k)) for k, item in items.items()})
        if isinstance(value, list):
            return [self._safe(item, (*path, i)) for i, item in enumerate(value)]  # pyright: ignore
        return self._text(value, path) if _refers(value) else value

    def _safe(self, value: Any, path: _Path) -> Any:
        if not isinstance(value, dict | list) and not _refers(value):
            return value
        try:
            return self.inside(value, path)
        except _Unresolved as error:
            return Unknown(value if isinstance(value, str) else "…", str(error))

    # Texts

    def _text(self, text: str, path: _Path) -> Any:
        """Return the value of a text that is a reference, or the text with those in it."""
        cursor, parts, plain = _Cursor(text), [], 0
        if len(text) > LONGEST_STRING:
            raise _Unresolved("is too long")
        while match := _OPENING.search(text, cursor.at):
            slashes = len(match[1])
            parts.append(text[plain : match.start()] + "\\" * (slashes // 2))
            plain = cursor.at = match.end()
            if slashes % 2:  # it is escaped
                parts.append("${")
                continue
            value = self._reference(cursor, path)
            if not match.end() - 2 and cursor.at == len(text):
                return value
            parts.append(_as_text(value))
            plain = cursor.at
        joined = "".join([*parts, text[plain:]])
        if len(joined) > LONGEST_STRING:
            raise _Unresolved("is too long")
        return joined

    def _reference(self, cursor: _Cursor, path: _Path) -> Any:
        """Return the value of a reference whose `${` was read."""
        self._nested += 1
        if self._nested > DEEPEST:
            raise _Unresolved("is nested too deeply")
        try:
            return self._referred(cursor, path)
        finally:
            self._nested -= 1

    def _referred(self, cursor: _Cursor, path: _Path) -> Any:
        resolver = cursor.take(_RESOLVER)
        if resolver is not None:
            return self._resolver(resolver[1], cursor, path)
        keys = self._keys(cursor, path)
        cursor.spaces()
        cursor.need("}")
        found = self._select(keys)
        if found is _ABSENT:
            raise _Unresolved("is no key of the config")
        return found

    def _keys(self, cursor: _Cursor, path: _Path) -> _Path:
        """Return the path that a reference stands for, `.b` beside the key that it is at."""
        cursor.spaces()
        ups = 0
        while cursor.skip("."):
            ups += 1
        if ups > len(path):
            raise _Unresolved("goes above the config")
        keys: list[Any] = list(path[: len(path) - ups]) if ups else []
        keys.append(self._key(cursor, path))
        while cursor.skip(".") or cursor.text.startswith("[", cursor.at):
            keys.append(self._key(cursor, path))
        return tuple(keys)

    def _key(self, cursor: _Cursor, path: _Path) -> Any:
        bracket = cursor.skip("[")
        if cursor.skip("${"):
            key = self._reference(cursor, path)
        else:
            match = cursor.take(_KEY)
            if match is None:
                raise _Unresolved("is not written as a reference")
            key = match[0]
        if bracket:
            cursor.need("]")
        return key

    def _select(self, keys: _Path) -> Any:
        """Return the value at a path, with its references resolved; `_ABSENT` if there is none."""
        value: Any = self._root
        at: list[Any] = []
        for key in keys:
            value = self.inside(value, tuple(at)) if isinstance(value, str) else value
            if isinstance(value, Unknown):
                raise _Unresolved(f"is in {value!r}")
            key = _own_key(value, key)
            if key is _ABSENT:
                return _ABSENT
            value = value[key]
            at.append(key)
        return self.inside(value, tuple(at))

    # Resolvers

    def _resolver(self, name: str, cursor: _Cursor, path: _Path) -> Any:
        if name not in ("oc.select", "oc.decode"):
            what = "is of the environment" if name in ("oc.env", "env") else f"needs {name}"
            raise _Unresolved(f"{what}, which is not run")
        given = [self._argument(cursor, path)]
        while cursor.skip(","):
            given.append(self._argument(cursor, path))
        cursor.need("}")
        first, *default = given
        if not isinstance(first, str) or len(default) > (name == "oc.select"):
            raise _Unresolved("is not written as a reference")
        if name == "oc.decode":
            return _primitive(first)
        found = self._select(self._keys(_Cursor(first), path))
        if found is _ABSENT or (isinstance(found, str) and found == MISSING):
            return default[0] if default else None
        return found

    def _argument(self, cursor: _Cursor, path: _Path) -> Any:
        """Return an argument of a resolver: a text, a number, true, false, null or a reference."""
        cursor.spaces()
        quote = cursor.text[cursor.at : cursor.at + 1]
        if quote in ("'", '"') and quote:
            end = cursor.text.find(quote, cursor.at + 1)
            inner = cursor.text[cursor.at + 1 : end]
            if end < 0 or "\\" in inner or "${" in inner:
                raise _Unresolved("has an argument that is not read")
            cursor.at, value = end + 1, inner
        elif cursor.skip("${"):
            value = self._reference(cursor, path)
        elif cursor.skip("{"):
            cursor.spaces()
            cursor.need("}")
            value = {}
        elif cursor.skip("["):
            value = self._items(cursor, path)
        else:
            word = cursor.take(_WORD)
            value = _primitive(word[0].strip() if word else "")
        cursor.spaces()
        if cursor.text[cursor.at : cursor.at + 1] not in (",", "}", "]"):
            raise _Unresolved("has an argument that is not read")
        return value

    def _items(self, cursor: _Cursor, path: _Path) -> list[Any]:
        """Return the items of a list whose bracket was read."""
        items: list[Any] = []
        cursor.spaces()
        while not cursor.skip("]"):
            items.append(self._argument(cursor, path))
            if not cursor.skip(","):
                cursor.need("]")
                break
        return items


def _own_key(value: Any, key: Any) -> Any:
    """Return a key as a mapping or a list has it, `_ABSENT` if it has none.

    As in OmegaConf, a reference counts no list from its end, and its words are no numbers.
    """
    if isinstance(value, list):
        try:
            place = int(key)
        except (TypeError, ValueError):
            return _ABSENT
        return place if 0 <= place < len(value) else _ABSENT  # pyright: ignore
    if not isinstance(value, dict):
        return _ABSENT
    names: dict[Any, Any] = value
    return key if key in names or rest_of(names) is not None else _ABSENT


def _as_text(value: Any) -> str:
    if not isinstance(value, bool | int | float | str | None):
        raise _Unresolved("has a reference in a text that is no word")
    return str(value)


def _primitive(word: str) -> Any:
    """Return a word as OmegaConf reads it: a number, true, false, null or a text."""
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    if _INT.fullmatch(word):
        return int(word)
    if word and _FLOAT.fullmatch(word):
        return float(word)
    return word
