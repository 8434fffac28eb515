"""Configs that stand on other files: MMEngine's `_base_`, Detectron2's `_BASE_`, Hydra's defaults.

A file that is there is followed. What one that is not there may say is unknown, never a default.
"""

from __future__ import annotations

import ast
import functools
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ratewise.convert.sources.expressions import Expressions
from ratewise.convert.sources.hydra import Defaults, has_defaults
from ratewise.convert.sources.limits import CHAIN, FILES, LARGEST_OF_ALL, settled, too_large
from ratewise.convert.sources.merging import merged
from ratewise.convert.sources.parsers import parse_json, parse_toml, parse_yaml
from ratewise.convert.sources.paths import called, text_of
from ratewise.convert.sources.python import assigned, parsed
from ratewise.convert.sources.unknown import Partial, Unknown, rest_of
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten

_PARSERS = {".json": parse_json, ".toml": parse_toml, ".yaml": parse_yaml, ".yml": parse_yaml}
_OF_BASE = re.compile(r"\{\{\s*+_base_\.([\w.]++)\s*+\}\}")
_BASES = ("_base_", "_BASE_")
_SUFFIXES = (".py", ".json", ".yaml", ".yml")


def followed(path: Path) -> Any:
    """Return what a config file holds, with that of the files that it stands on."""
    return _Files().of(path)


def alone(value: Any) -> Any:
    """Return a config that is no file: what the files it names may say is unknown."""
    if not isinstance(value, dict):
        return value
    named = next((key for key in _BASES if key in value), None)
    if named is None and not has_defaults(value):
        return value
    named = named or "defaults"
    rest = Unknown(f"{named}: {value[named]}", "names files, and this is none")
    known = {key: item for key, item in value.items() if key != named}
    return merged("read(…)", known, Partial(None, rest), delete=True)


class _Files:
    """The files of one config."""

    def __init__(self) -> None:
        self._chain: list[Path] = []
        self._count = self._size = 0

    def of(self, path: Path) -> Any:
        """Return what a file holds, with that of the files that it stands on."""
        with self._entered(path):
            if path.suffix.lower() == ".py":
                return self._python(path)
            value = self._parsed(path)
            if not isinstance(value, dict):
                return value
            if has_defaults(value) and path.suffix.lower() in (".yaml", ".yml"):
                return Defaults(path, self._read_group).composed(value)
            return self._based(path, value)

    @contextmanager
    def _entered(self, path: Path) -> Generator[None]:
        """Follow a file, within limits."""
        self._count += 1
        try:
            real = path.resolve()
        except (OSError, RuntimeError, ValueError):  # a loop of links
            raise ScheduleError(called(path), "cannot be opened", "give a file") from None
        if real in self._chain:
            raise ScheduleError(called(path), "stands on itself", "take it out of its bases")
        if self._count > FILES or len(self._chain) >= CHAIN:
            rule = f"stands on more than {FILES} files, or {CHAIN} on each other"
            raise ScheduleError(called(path), rule, "give a config with fewer")
        self._chain.append(real)
        try:
            yield
        finally:
            self._chain.pop()

    def _text(self, path: Path) -> str:
        """Return the text of a file, of which all together may not be too long."""
        text = text_of(path)
        self._size += len(text) if len(self._chain) > 1 else 0
        if self._size > LARGEST_OF_ALL:
            raise too_large(called(path), LARGEST_OF_ALL, "characters with those before it")
        return text

    def _parsed(self, path: Path) -> Any:
        return _PARSERS[path.suffix.lower()](called(path), self._text(path))

    def _read_group(self, path: Path) -> tuple[Any, str]:
        """Return what a file of Hydra's holds, and its text."""
        with self._entered(path):
            text = self._text(path)
            return parse_yaml(called(path), text), text

    # Bases

    def _based(self, path: Path, value: dict[Any, Any]) -> Any:
        """Return a mapping over those of the bases that it names."""
        named = next((key for key in _BASES if key in value), None)
        if named is None:
            return value
        who = called(path)
        known = {key: item for key, item in value.items() if key != named}
        bases = self._bases(path, value[named])
        return settled(who, merged(who, known, bases, delete=named == "_base_"))

    def _bases(self, path: Path, named: Any) -> Partial:
        """Return the bases of a file as one mapping; no two may have the same key."""
        who, found = called(path), Partial()
        names = named if isinstance(named, list) else [named]  # pyright: ignore
        for name in names:  # pyright: ignore
            if not isinstance(name, str):
                raise ScheduleError(who, "needs _base_ as a path or a list of paths", "write paths")
            base = self._base(path, name)
            both = found.keys() & base.keys()
            if both:
                rule = f"stands on two files that both have {shorten(min(both, key=str))}"
                raise ScheduleError(who, rule, "keep one of them")
            found.update(base)
            found.referred |= base.referred
            if found.rest is None or base.rest is None:
                found.rest = base.rest if found.rest is None else found.rest
            else:
                found.rest = Unknown(f"{found.rest.text} and others", base.rest.why)
        return found

    def _base(self, path: Path, name: str) -> Partial:
        if "::" in name or "://" in name or name.startswith("~"):
            return Partial(None, Unknown(name, "is not looked for"))
        base = path.parent / name
        if base.suffix.lower() not in _SUFFIXES:
            raise ScheduleError(called(base), "is no config file", f"give {', '.join(_SUFFIXES)}")
        if not os.path.exists(base):
            return Partial(None, Unknown(base.name, "is not there"))
        value = self.of(base)
        if not isinstance(value, dict):
            raise ScheduleError(called(base), "is no mapping", "give a config")
        return value if isinstance(value, Partial) else Partial(value)  # pyright: ignore

    # Python

    def _python(self, path: Path) -> Any:
        who, text = called(path), _OF_BASE.sub(r"_base_.\1", self._text(path))
        bases = self._bases(path, _bases_named(who, text))
        imported = functools.partial(self._module, path)
        file = path.name if len(self._chain) > 1 else ""
        found = settled(who, assigned(who, text, bases, imported, file))
        over = bool(bases) or rest_of(bases) is not None
        known = any(not isinstance(value, Unknown) for value in found.values())
        if not (known or over) and rest_of(found) is None:
            rule = "assigns no literal at its top level, and nothing in it is ever run"
            raise ScheduleError(who, rule, "give a config file, or the live object")
        whole = settled(who, merged(who, found, bases, delete=True)) if over else found
        return Partial(whole, rest_of(whole), bases.referred | _names_used(who, text))

    def _module(self, path: Path, module: str, level: int) -> dict[str, Any] | None:
        """Return the names of a module beside a file, None if it is not there."""
        base = path.parent.joinpath(*[".."] * (level - 1), *module.split(".")).with_suffix(".py")
        return self.of(base) if os.path.exists(base) else None


def _names_used(who: Any, text: str) -> set[str]:
    """Return the names that a Python file reads: what stands behind them is made of them."""
    nodes = ast.walk(parsed(who, text))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _bases_named(who: Any, text: str) -> Any:
    """Return what a Python file assigns to `_base_`, without a look at its other names."""
    for node in parsed(who, text).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.Assign) and isinstance(target, ast.Name) and target.id == "_base_":
            return settled(who, Expressions(who, text).value(node.value))
    return []
