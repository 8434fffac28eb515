"""Checks that anyone can run on a schedule of theirs."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ratewise.schedule import Schedule, ScheduleError, from_dict, from_json, parse
from ratewise.schedule.strict import strict

Check = Callable[[Schedule, Schedule], None]
_FAR = 2**40


@strict
def check_schedule(
    schedule: Schedule, total: int = 1000, *, written: bool = True, **horizon: float | None
) -> None:
    """Check that a schedule keeps every promise that ratewise makes of schedules.

    Args:
        schedule: Any schedule, of this package or a `Move` of your own.
        total: Updates of the run it is tried in, at least 1.
        written: Whether it can be written down; False for one with a `Function` in it.
        **horizon: `epoch`, `samples`, `tokens`, as of `Schedule.resolve`.

    Raises:
        AssertionError: a promise is broken; the message says which.
        ScheduleError: the schedule does not resolve in such a run.

    >>> import ratewise as rw
    >>> check_schedule(rw.Warmup("5%") >> rw.Cosine(to=0.1))
    """
    resolved = schedule.resolve(total, **horizon)
    for name, check in _checks(written):
        try:
            check(schedule, resolved)
        except AssertionError as error:
            raise AssertionError(f"{schedule!r}: {name}. {error}") from error
    _finite_in_short_runs(schedule, horizon)


def _checks(written: bool) -> Iterator[tuple[str, Check]]:
    if written:
        yield "the text form reads back equal", _text
        yield "the dict and JSON forms read back equal", _forms
        yield "it survives pickle", _pickle
    yield "it is frozen, hashable and equal to its copy", _value
    yield "resolving again changes nothing", _settled
    yield "levels are finite, of 0 or more, one for each update", _levels
    yield "s(t) is values(n)[t] to the bit, whatever the block", _same_bits
    yield "past the end it holds the end level", _holds
    yield "updates below 0 or not whole are refused", _refuses


def _text(schedule: Schedule, resolved: Schedule) -> None:
    for s in (schedule, resolved):
        assert parse(repr(s)) == s, repr(s)


def _forms(schedule: Schedule, resolved: Schedule) -> None:
    for s in (schedule, resolved):
        assert from_dict(s.to_dict()) == s
        assert from_dict(json.loads(json.dumps(s.to_dict()))) == s
        assert from_json(s.to_json()) == s


def _pickle(schedule: Schedule, resolved: Schedule) -> None:
    resolved.values(1)
    for s in (schedule, resolved):
        again = pickle.loads(pickle.dumps(s))
        assert again == s
        assert repr(again) == repr(s)


def _value(schedule: Schedule, resolved: Schedule) -> None:
    for s in (schedule, resolved):
        assert copy.copy(s) == s == copy.deepcopy(s)
        assert hash(copy.deepcopy(s)) == hash(s) or not _by_value(s)
        for field in dataclasses.fields(s):  # pyright: ignore[reportArgumentType]
            try:
                setattr(s, field.name, None)
            except dataclasses.FrozenInstanceError:
                continue
            raise AssertionError(f"{field.name} can be changed")


def _by_value(schedule: Schedule) -> bool:
    try:
        schedule.to_dict()
    except ScheduleError:
        return False
    return True


def _settled(schedule: Schedule, resolved: Schedule) -> None:
    assert resolved.resolve(resolved.length) == resolved, repr(resolved.resolve(resolved.length))
    assert resolved.resolve() == resolved, repr(resolved.resolve())


def _levels(schedule: Schedule, resolved: Schedule) -> None:
    levels = resolved.values()
    assert levels.dtype == np.float64
    assert levels.shape == (resolved.length,)
    assert np.isfinite(levels).all(), "a level is not finite"
    assert (levels >= 0).all(), "a level is negative"


def _same_bits(schedule: Schedule, resolved: Schedule) -> None:
    levels = resolved.values()
    n = len(levels)
    for t in sorted({*range(min(n, 64)), *range(0, n, max(1, n // 64)), n - 1}):
        assert resolved(t) == levels[t], f"s({t}) is {resolved(t)!r}, values() has {levels[t]!r}"
        assert resolved.values(1, start=t)[0] == levels[t], f"values(1, start={t})"
    backwards = np.arange(n)[::-1]
    assert np.array_equal(resolved(backwards), levels[::-1]), "an array in another order"
    half = n // 2
    assert np.array_equal(np.append(resolved.values(half), resolved.values(n - half, half)), levels)


def _holds(schedule: Schedule, resolved: Schedule) -> None:
    n, end = resolved.length, resolved.end
    assert n is not None
    assert np.isfinite(end)
    for t in (n, n + 1, 2 * n, _FAR):
        assert resolved(t) == end, f"s({t}) is {resolved(t)!r}, the end level is {end!r}"
    assert (resolved.values(5, start=n) == end).all()


def _refuses(schedule: Schedule, resolved: Schedule) -> None:
    for bad in (-1, 0.5, 1.0, True, "1", None, np.array([0.5]), np.array([-1])):
        wrong: Any = bad
        try:
            resolved(wrong)
        except ScheduleError:
            continue
        raise AssertionError(f"s({bad!r}) gives {resolved(wrong)!r}")


def _finite_in_short_runs(schedule: Schedule, horizon: dict[str, Any]) -> None:
    for total in (1, 2, 3, 7):
        try:
            levels = schedule.resolve(total, **horizon).values()
        except ScheduleError:
            continue  # refused by name, which is what we promise for lengths that do not fit
        claim = f"{schedule!r}: in a run of {total}, levels are finite and of 0 or more"
        assert levels.shape == (total,), claim
        assert np.isfinite(levels).all(), claim
        assert (levels >= 0).all(), claim
