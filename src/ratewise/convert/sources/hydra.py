"""Hydra's defaults list: the files of groups beside a config, composed as Hydra composes them.

Each entry is a config or an option of a group; its content goes into the package that the entry,
or the first line of its file, names, else into that of its group. Later ones override earlier
ones, and the config itself has the place of `_self_`, the last if it is not named.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratewise.convert.sources.limits import CHAIN, ENTRIES, settled
from ratewise.convert.sources.merging import merged
from ratewise.convert.sources.paths import called
from ratewise.convert.sources.unknown import Partial, Unknown, rest_of
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten

_HEADER = re.compile(r"\s*+#\s*+@package[ \t]+(\S*+)")
_ENTRY = re.compile(r"(?:(override|optional)\s++)?+(/?[^@\s]++)(?:@(\S++))?+")
_ROUNDS = 5
"""How often the choices are looked for: a choice may bring files that choose."""


def has_defaults(value: dict[Any, Any]) -> bool:
    """Whether a mapping has a list of defaults as Hydra's configs do."""
    given = value.get("defaults")
    return isinstance(given, list) and all(
        isinstance(item, str) or (isinstance(item, dict) and len(item) == 1)  # pyright: ignore
        for item in given  # pyright: ignore
    )


@dataclass(frozen=True)
class _Entry:
    """One entry of a defaults list: `optional /group@package: name`."""

    word: str
    group: str
    package: str | None
    name: str | None

    @property
    def is_self(self) -> bool:
        return self.name == "_self_"


class Defaults:
    """The defaults of a config, and of the files that they name.

    Args:
        path: The config; groups are folders beside it.
        read: Returns what a file holds, and its text.
    """

    def __init__(self, path: Path, read: Callable[[Path], tuple[Any, str]]) -> None:
        self.who, self._root, self._read = called(path), path.parent, read
        self._choices: dict[tuple[str, str | None], str | None] = {}
        self._chosen = self._choices
        self._count = 0
        self._files: dict[Path, tuple[Any, str]] = {}

    def composed(self, config: dict[Any, Any]) -> Any:
        """Return the config with all that its defaults say."""
        for _ in range(_ROUNDS):
            self._chosen, self._choices, self._count = self._choices, {}, 0
            parts = list(self._parts(config, "", "", 0))
            if self._choices == self._chosen:
                break
        else:
            raise self._unclear("has choices that change each other")
        found: Any = Partial()
        for package, part in parts:
            found = self._over(found, package, part)
        rest = rest_of(found)
        if not found and rest is not None:
            rule = f"stands on {rest}, which may change all of it"
            raise ScheduleError(self.who, rule, "put the file there")
        return settled(self.who, found)

    def _unclear(self, rule: str) -> ScheduleError:
        return ScheduleError(self.who, rule, "give the config that Hydra has composed")

    def _over(self, found: Any, package: str, part: Any) -> Any:
        if isinstance(part, Unknown):  # it may go to any package, so all before it is unknown
            return Partial(None, part)
        for key in reversed(package.split(".") if package else []):
            part = {key: part}
        return merged(self.who, part, found)

    # The files, in their order

    def _parts(
        self, config: dict[Any, Any], group: str, package: str, depth: int
    ) -> Iterator[tuple[str, Any]]:
        """Yield packages and what goes there, in the order of merging."""
        self._count += 1
        if depth > CHAIN or self._count > ENTRIES:
            raise self._unclear(f"has more than {ENTRIES} defaults, or {CHAIN} on each other")
        own = {key: value for key, value in config.items() if key != "defaults"}
        given = config.get("defaults") or []
        entries = [self._entry(item) for item in given]
        adds = not entries or any(entry.word != "override" for entry in entries)
        if adds and not any(entry.is_self for entry in entries):
            entries.append(_Entry("", "", None, "_self_"))
        elif not adds and depth == 0:  # it chooses for a config that is not given
            yield "", Unknown("defaults", "override those of another config")
        said = False
        for entry in entries:
            if entry.is_self:
                said = True
                yield package, own
            elif entry.word == "override":
                self._choose(entry, group)
            else:
                yield from self._entered(entry, group, package, depth)
        if not said:
            yield package, own

    def _entry(self, item: Any) -> _Entry:
        (key, options) = next(iter(item.items())) if isinstance(item, dict) else (item, ...)
        match = _ENTRY.fullmatch(str(key).strip())
        simple = options is ... or options is None or isinstance(options, str | list)
        if match is None or not simple or "${" in f"{key}{options}":
            raise self._unclear(f"has the default {shorten(item)}")
        word, group, package = match.groups()
        if options is ...:
            folder, _, name = group.rpartition("/")
            folder = "/" if not folder and group.startswith("/") else folder
            return _Entry(word or "", folder, package, name)
        name = "\n".join(map(str, options)) if isinstance(options, list) else options  # pyright: ignore
        return _Entry(word or "", group, package, name)

    def _choose(self, entry: _Entry, group: str) -> None:
        key = (_joined(group, entry.group), entry.package)
        if key in self._choices and self._choices[key] != entry.name:
            raise self._unclear(f"overrides {key[0]} twice")
        self._choices[key] = entry.name

    def _entered(
        self, entry: _Entry, group: str, package: str, depth: int
    ) -> Iterator[tuple[str, Any]]:
        folder = _joined(group, entry.group)
        if folder.split("/")[0] == "hydra":  # Hydra's own settings, which train nothing
            return
        names = self._chosen.get((folder, entry.package), entry.name)
        for name in (names or "").split("\n") if names else []:
            path = posixpath.normpath(posixpath.join(folder, name.removesuffix(".yaml")))
            yield from self._file(entry, path, package, depth)

    def _file(
        self, entry: _Entry, path: str, package: str, depth: int
    ) -> Iterator[tuple[str, Any]]:
        file = self._root / f"{path}.yaml"
        if path.startswith("..") or path.startswith("/"):
            raise self._unclear(f"has a default outside of its folder, {path}")
        if not os.path.exists(file):
            if entry.word != "optional":
                yield "", Unknown(f"{path}.yaml", "is not there")
            return
        content, text = self._content(file)
        header = _HEADER.match(text)
        own = entry.package
        if own is None and header is not None:
            own = "_global_" if header[1] == "_global_" else f"_global_.{header[1]}"
            own = own.replace("_group_", path.rpartition("/")[0].replace("/", "."))
        place = _package(package, own, entry.group)
        yield from self._parts(content, path.rpartition("/")[0], place, depth + 1)

    def _content(self, file: Path) -> tuple[dict[Any, Any], str]:
        if file not in self._files:
            content, text = self._read(file)
            if not isinstance(content, dict | None):
                raise ScheduleError(called(file), "is no mapping", "give a config of Hydra")
            self._files[file] = (content or {}, text)
        return self._files[file]


def _joined(group: str, folder: str) -> str:
    """Return a group that is named in a file of another group."""
    joined = folder.strip("/") if folder.startswith("/") else posixpath.join(group, folder)
    return "" if joined in ("", ".") else posixpath.normpath(joined)


def _package(parent: str, own: str | None, group: str) -> str:
    """Return where the content of a file goes."""
    if own in (None, "_group_"):
        own = ".".join(part for part in group.strip("/").split("/") if part not in ("", ".", ".."))
    own = "" if own == "_here_" else own or ""
    joined = ".".join(part for part in (parent, own) if part)
    return joined.rpartition("_global_")[2].strip(".") if "_global_" in joined else joined
