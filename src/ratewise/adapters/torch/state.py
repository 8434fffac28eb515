"""The state of a scheduler: primitives only, read with care."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ratewise.adapters.torch.clock import Clock
from ratewise.adapters.torch.groups import Label, Member
from ratewise.adapters.torch.source import Source
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten

VERSION = 1
KIND = "ratewise.torch"
_WHO = "Scheduler.load_state_dict"
_VALUES = ("base", "peak", "last")


@dataclass(frozen=True)
class SavedGroup:
    """What a checkpoint says of a group; see `Member` for the words."""

    label: Label
    base: dict[str, float]
    peak: dict[str, float]
    last: dict[str, float]
    entry: str | None = None


@dataclass(frozen=True)
class Saved:
    """What a checkpoint says."""

    committed: int
    shift: int
    text: str
    horizon: dict[str, Any]
    form: dict[str, Any] | None
    total: int | None
    groups: tuple[SavedGroup, ...]
    listening: dict[str, Any]

    def source(self) -> Source:
        """Return the source that was followed.

        Raises:
            ScheduleError: it was a function, which no checkpoint can hold, or cannot be read.
        """
        if self.form is None:
            rule = f"got a checkpoint whose schedule {self.text} is a function"
            raise ScheduleError(_WHO, rule, 'use resume="code", or give the function again')
        return Source.read(self.form, self.text, self.horizon)


def write(clock: Clock) -> dict[str, Any]:
    """Return the state of a clock."""
    return {
        "kind": KIND,
        "version": VERSION,
        "committed": clock.t,
        "shift": clock.shift,
        **clock.used.written(),
        "listening": clock.feedback.states(),
        "groups": [_write_group(member) for member in clock.snapshot()],
    }


def _write_group(member: Member) -> dict[str, Any]:
    name, signature = member.label
    values = {"base": dict(member.base), "peak": dict(member.peak), "last": dict(member.last)}
    return {"name": name, "signature": signature, "entry": member.entry, **values}


def read(state: Any) -> Saved:
    """Return what a state says.

    Raises:
        ScheduleError: it is not one of ours, it is newer, or a part is missing or of a wrong kind.
    """
    if not isinstance(state, dict) or state.get("kind") != KIND:
        rule = f"got something that a ratewise scheduler did not save, {shorten(state)}"
        fix = "load what scheduler.state_dict() gave, or call seek(updates) with the updates so far"
        raise ScheduleError(_WHO, rule, fix)
    content: dict[str, Any] = state
    version = _field(content, "version", int)
    if version > VERSION:
        rule = f"got a state in form {version}, this ratewise reads up to {VERSION}"
        raise ScheduleError(_WHO, rule, "upgrade ratewise")
    committed = _field(content, "committed", int)
    if committed < 0:
        raise _damaged("committed", committed)
    return Saved(
        committed=committed,
        shift=_field(content, "shift", int),
        text=_field(content, "text", str),
        horizon=_field(content, "horizon", dict),
        form=_field(content, "schedule", dict | None),
        total=_field(content, "total", int | None),
        groups=tuple(_read_group(group) for group in _field(content, "groups", list)),
        listening=_field(content, "listening", dict),
    )


def _read_group(group: Any) -> SavedGroup:
    if not isinstance(group, dict):
        raise _damaged("groups", group)
    content: dict[str, Any] = group
    label = _field(content, "name", str | None), _field(content, "signature", str)
    # States of before had no groups but by name.
    entry = _field({"entry": label[0], **content}, "entry", str | None)
    return SavedGroup(label, *(_numbers(content, name) for name in _VALUES), entry=entry)


def _numbers(content: dict[str, Any], name: str) -> dict[str, float]:
    values = _field(content, name, dict)
    for key, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not isinstance(key, str) or not number or not math.isfinite(value):
            raise _damaged(name, values)
    return dict(values)


def _field(content: dict[str, Any], name: str, kind: Any) -> Any:
    value = content.get(name, _Missing)
    if isinstance(value, bool) or not isinstance(value, kind):
        raise _damaged(name, "nothing" if value is _Missing else value)
    return value


def _damaged(name: str, value: object) -> ScheduleError:
    rule = f"got a state that is damaged: {name!r} holds {shorten(value)}"
    return ScheduleError(_WHO, rule, "load another checkpoint, or call seek(updates)")


class _Missing:
    """Stands where a part of the state should be."""


def labels(groups: Sequence[SavedGroup]) -> list[Label]:
    """Return the labels of saved groups."""
    return [group.label for group in groups]
