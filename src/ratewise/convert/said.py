"""What a config says of its run, beside what is told: settings put into it, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ratewise.convert.formats import Format, dig, put
from ratewise.convert.pieces.flags import flags, twice
from ratewise.convert.pieces.keys import as_literal, looks_scheduled, names
from ratewise.convert.sources.unknown import Unknown, is_variable
from ratewise.convert.unread import own_paths
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten

_SIZES = ("batch_size", "accumulation")


class AskedFacts(Mapping[str, Any]):
    """A mapping that remembers which names were asked for."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return self._content[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def __len__(self) -> int:
        return len(self._content)


def check_twice(source: Any, chosen: Format) -> None:
    """Refuse a text in which a flag of the schedule says two things, as two commands do.

    Of one command the last would count; which of several commands is meant nobody knows.
    """
    own = own_paths(chosen)
    for flag, (first, second) in twice(source).items():
        if flag.lstrip("-").replace("-", "_") in own:
            rule = f"has the flag {flag} twice, as {shorten(first)} and {shorten(second)}"
            raise ScheduleError(chosen.name, rule, "keep one command, and one of them")


def check_said(source: Any, chosen: Format) -> None:
    """Refuse a command that has marks of its format, and nothing that is read of a schedule.

    It may be one that trains nothing; a file of keys is for training, and has its defaults.
    """
    if not isinstance(source, str):
        return
    sizes = names(*(paths for fact, paths in chosen.facts.items() if fact in _SIZES))
    own = {path.rpartition(".")[2] for path in own_paths(chosen) - {*sizes}}
    seen = {mark.lstrip("-").replace("-", "_") for mark in chosen.evidence(source).seen}
    if not chosen.reads or not own or not seen:
        return
    spoken = {*names(*(chosen.facts.get(fact, "") for fact in ("lr", "total", "epochs")))}
    own -= {n for n in seen - spoken if not looks_scheduled(n) and "sched" not in n}
    if own.isdisjoint(_keys(flags(chosen.name, source))):
        rule = "says nothing of a schedule or its rate"
        raise ScheduleError(f"The {chosen.what}", rule, "give the config of a training run")


def speaking_keys(source: Any) -> str:
    """Return the keys of a config that speak of a schedule, a few of them, for a message."""
    try:
        given = flags("flags", source) if isinstance(source, str) and "--" in source else source
    except ScheduleError:
        return ""
    found = [key for key in dict.fromkeys(_keys(given)) if looks_scheduled(key) or key == "lr"]
    return ", ".join(shorten(key, 40).strip("'") for key in found[:4])


def _keys(source: Any) -> Iterator[str]:
    """Return all keys of a config, however deep."""
    if isinstance(source, Mapping):
        for key, value in source.items():
            yield str(key)
            yield from _keys(value)
    elif isinstance(source, list | tuple):
        for value in source:
            yield from _keys(value)


def _lies_in(source: Any, path: str) -> bool:
    """Whether a path leads into a section of a config, all of which its reader knows."""
    place = path.rpartition(".")[0]
    return bool(place) and isinstance(dig(source, place), Mapping)


def with_settings(
    source: Any, chosen: Format, told: Mapping[str, Any], notes: list[str]
) -> tuple[Any, set[str]]:
    """Return a config with what was told of its own keys put into it, and which those are.

    `lr_scheduler_kwargs.min_lr_rate` is a key below another one, of as many as there are.
    """
    own, done = own_paths(chosen), set[str]()
    if not isinstance(source, Mapping | str) or (isinstance(source, str) and "--" not in source):
        return source, done
    for name, value in told.items():
        parts = name.split(".")
        known = any(".".join(parts[: i + 1]) in own for i in range(len(parts)))
        others = _lies_in(source, name) and not chosen.reads
        if not (known or others or is_variable(source, name)):
            continue
        keys = flags(chosen.name, source)
        before = keys.get(name, dig(keys, name))
        value = as_literal(value) if str(value)[:1] in "[{(" else value
        if isinstance(before, Unknown) or before not in (None, value):
            notes.append(f"{name}={shorten(value)} was given; the config says {shorten(before)}.")
        source, done = put(source, name, value), {*done, name}
    return source, done
