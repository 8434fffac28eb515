"""The state of a scheduler: primitives only, read whole before anything of it is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ratewise.adapters.arguments import HORIZON
from ratewise.adapters.torch.clock import Clock
from ratewise.adapters.torch.groups import Label, Member
from ratewise.adapters.torch.source import Source, SourceFeedback
from ratewise.schedule import ScheduleError, from_dict
from ratewise.schedule.errors import shorten
from ratewise.schedule.schema import (
    MOST,
    Mismatch,
    Reader,
    a_count,
    a_dict,
    a_flag,
    a_list,
    a_number,
    a_primitive,
    a_table,
    a_text,
    maybe,
    read_state,
)

VERSION = 1
KIND = "ratewise.torch"
NEVER_BELOW_ZERO = ("lr", "momentum", "weight_decay")
_WHO = "Scheduler.load_state_dict"
_FIX = "load another checkpoint, or call seek(updates)"
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
    """What a checkpoint says.

    Attributes:
        committed: Updates that were committed.
        shift: Position in the schedule minus `committed`.
        text: The schedule as the user wrote it.
        horizon: What it was resolved with.
        total: Updates in the run.
        known: What was followed; None if it was a function.
        groups: The groups.
        listening: What the schedules that listen had come to.
        announced: Whether the values of the coming update were in place.
    """

    committed: int
    shift: int
    text: str
    horizon: dict[str, Any]
    total: int | None
    known: Source | None
    groups: tuple[SavedGroup, ...]
    listening: dict[str, Any]
    announced: bool

    @property
    def form(self) -> dict[str, Any] | None:
        """The dict form of what was followed."""
        return None if self.known is None else self.known.form

    def source(self) -> Source:
        """Return the source that was followed.

        Raises:
            ScheduleError: it was a function, which no checkpoint can hold.
        """
        if self.known is None:
            rule = f"got a checkpoint whose schedule {self.text} is a function"
            raise ScheduleError(_WHO, rule, 'use resume="code", or give the function again')
        return self.known


def write(clock: Clock) -> dict[str, Any]:
    """Return the state of a clock."""
    return {
        "kind": KIND,
        "version": VERSION,
        "committed": clock.t,
        "shift": clock.shift,
        **clock.used.written(),
        "announced": clock.announced,
        "listening": clock.feedback.states(),
        "groups": [_write_group(member) for member in clock.snapshot()],
    }


def _write_group(member: Member) -> dict[str, Any]:
    name, signature = member.label
    values = {"base": dict(member.base), "peak": dict(member.peak), "last": dict(member.last)}
    return {"name": name, "signature": signature, "entry": member.entry, **values}


# Reading ------------------------------------------------------------------------------------


def is_of_another(state: Any) -> bool:
    """Tell whether a state is that of a scheduler of PyTorch or DeepSpeed, which counts calls."""
    if not isinstance(state, dict) or state.get("kind") == KIND:  # pyright: ignore[reportUnknownMemberType]
        return False
    return "last_epoch" in state or "last_batch_iteration" in state


def read(state: Any) -> Saved:
    """Return what a state says.

    Raises:
        ScheduleError: it is not one of ours, it is newer, or a part is missing, of a wrong kind,
            or does not go with the rest.
    """
    if not isinstance(state, dict) or state.get("kind") != KIND:  # pyright: ignore[reportUnknownMemberType]
        rule = f"got something that a ratewise scheduler did not save, {shorten(state)}"
        fix = "load what scheduler.state_dict() gave, or call seek(updates) with the updates so far"
        if is_of_another(state):
            fix = "give resume='code', for the code's schedule from the update where this run is"
        raise ScheduleError(_WHO, rule, fix)
    version = read_state(_WHO, a_count(low=1), state.get("version"), _FIX)  # pyright: ignore
    if version > VERSION:
        rule = f"got a state in form {version}, this ratewise reads up to {VERSION}"
        raise ScheduleError(_WHO, rule, "upgrade ratewise")
    return read_state(_WHO, _read_saved, state, _FIX)


_FIELDS: dict[str, Reader] = {
    "kind": a_text((KIND,)),
    "version": a_count(low=1, high=VERSION),
    "committed": a_count(),
    "shift": a_count(low=-MOST),
    "schedule": maybe(a_table(lambda value, _: value)),
    "text": a_text(),
    "horizon": a_dict({}, dict.fromkeys(HORIZON, lambda value, at: _read_size(value, at))),
    "total": maybe(a_count(high=2 * MOST)),
    "announced": a_flag,
    "listening": a_primitive,
    "groups": a_list(lambda value, at: _read_group(value, at)),
}


def _read_size(value: Any, place: str) -> int | float | str:
    if isinstance(value, str):
        return a_text()(value, place)
    size = a_number(low=0.0)(value, place)
    return int(value) if isinstance(value, int) else size


def _read_saved(value: Any, place: str) -> Saved:
    found = a_dict(_FIELDS)(value, place)
    a_count()(found["committed"] + found["shift"], "shift")
    known = None if found["schedule"] is None else _read_source(found)
    if known is not None:
        if known.total != found["total"]:
            raise Mismatch.holds("total", found["total"], f"the schedule's {known.total}")
        found["listening"] = SourceFeedback(known).read_states(found["listening"], "listening")
        for i, group in enumerate(found["groups"]):
            _check_keys(known, group, f"groups[{i}]")
    names = ("committed", "shift", "text", "horizon", "total", "listening", "announced")
    groups = tuple(found["groups"])
    return Saved(**{name: found[name] for name in names}, known=known, groups=groups)


def _read_source(found: dict[str, Any]) -> Source:
    """Read what was followed, which is a plan of which every length is in updates."""
    try:
        plan: Any = from_dict(found["schedule"])
        plan.resolve()
        return Source.read(plan.to_dict(), found["text"], found["horizon"])
    except ScheduleError as error:
        raise Mismatch("schedule", f"cannot be read: {error.who} {error.broken}") from None


def _read_group(value: Any, place: str) -> SavedGroup:
    texts = {"name": maybe(a_text()), "signature": a_text()}
    values = dict.fromkeys(_VALUES, a_table(a_number()))
    found = a_dict({**texts, **values}, {"entry": maybe(a_text())})(value, place)
    for name in _VALUES:
        if found[name].keys() != found["base"].keys():
            raise Mismatch(f"{place}.{name}", f"has other keys than {place}.base")
        for key, number in found[name].items():
            if number < 0 and (key in NEVER_BELOW_ZERO or _above_zero(found, key)):
                raise Mismatch.holds(f"{place}.{name}.{key}", number, "a number in [0, inf)")
    # States of before had no groups but by name.
    entry = found.get("entry", found["name"])
    return SavedGroup(
        (found["name"], found["signature"]), *(found[v] for v in _VALUES), entry=entry
    )


def _above_zero(found: dict[str, Any], key: str) -> bool:
    """Tell whether a number of a group is above 0 elsewhere: a sign never changes on the way."""
    return any(found[name].get(key, 0.0) > 0 for name in _VALUES)


def _check_keys(source: Source, group: SavedGroup, place: str) -> None:
    for key in source.parts(group.entry):
        if key not in group.peak:
            raise Mismatch(f"{place}.peak", f"has no {key}, which the schedule sets")


def labels(groups: Sequence[SavedGroup]) -> list[Label]:
    """Return the labels of saved groups."""
    return [group.label for group in groups]
