"""What to write where a reader needs what a config says and does not know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ratewise.convert.formats import Format
from ratewise.convert.pieces.flags import flags
from ratewise.convert.sources.interpolation import MISSING
from ratewise.convert.sources.unknown import Unknown
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Fix, shorten

OPEN = (MISSING, "auto")
"""Words that leave a value to whoever runs a config."""
_TOLD = ("lr", "total", "epochs", "batch_size", "accumulation")
"""Facts of a run that have an argument of their own."""


def needed(error: ScheduleError, source: Any, chosen: Format) -> ScheduleError:
    """Return the error of a reader, with what to give where its cause is a value not known."""
    for path, value in _unknown(source):
        name = path.rpartition(".")[2]
        shown = shorten(value)
        if shown in error.broken and (isinstance(value, Unknown) or name in error.broken):
            break
    else:
        return error
    fact = next((f for f in _TOLD if path in chosen.facts.get(f, "").split()), None)
    first = "write its value"
    if fact is not None:
        alone = f"{first}, or call read(…, {fact}=…)"
        fix = Fix(f"{first}, or give {{{fact}}}", alone, **{fact: "…"})
    else:
        word = f"{path}=…" if path.isidentifier() else f"**{{{path!r}: …}}"
        alone = f"{first}, or call read(…, {word})"
        fix = Fix(f"{first}, or give {{0}}", alone, **{path: "…"})
    told = error.about(error.who, fix)
    if told.given == shown:
        told.given = repr(value)  # with the whole of its reason
    return told


def _unknown(source: Any) -> Iterator[tuple[str, Any]]:
    """Return the values that are not known, and those that Hydra's ??? stands for, by path."""
    try:
        given = flags("flags", source) if isinstance(source, str) and "--" in source else source
    except ScheduleError:
        return
    yield from _inside(given, "")


def _inside(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Unknown) or (isinstance(value, str) and value in OPEN):
        yield path, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _inside(each, f"{path}.{key}".lstrip("."))
