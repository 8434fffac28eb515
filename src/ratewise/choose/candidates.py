"""From what the user hands to `compare` to the runs that it asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ratewise.choose.protocols import Rates
from ratewise.schedule import Plan, Schedule, ScheduleError, parse
from ratewise.schedule.errors import number, shorten, whole

Candidate = Schedule | Plan | str | tuple[Schedule | Plan | str, int | str]
"""A schedule, a plan, the text of one, or a pair of any of these and its own total."""


@dataclass(frozen=True, eq=False)
class Asked:
    """One run that was asked for: a candidate at a peak with a seed.

    Args:
        name: Name of the candidate.
        schedule: The resolved schedule, as text.
        peak: Peak learning rate, in (0, inf).
        seed: Seed, in [0, 2**62].
        rates: Absolute rates, float64[total], the peak times the levels.
    """

    name: str
    schedule: str
    peak: float
    seed: int
    rates: Rates = field(repr=False)


def read_candidates(
    candidates: Mapping[str, Candidate],
    *,
    seeds: int | Iterable[int],
    peaks: Iterable[float] | None = None,
    default_peak: Callable[[], float | None] = lambda: None,
    total: int | str | None = None,
    **units: float | None,
) -> list[Asked]:
    """Return every run that is asked for: candidates × peaks × seeds, in that order.

    Peaks given here overrule a plan's own; without them a plan's own counts, then `default_peak`.

    Raises:
        ScheduleError: whatever cannot be trained as written, with the candidate's name.
    """
    if not isinstance(candidates, Mapping) or not candidates:
        rule = f"needs candidates by name, got {shorten(candidates)}"
        raise ScheduleError("compare", rule, 'give a dict such as {"cosine": Cosine(to=0.1)}')
    chosen = None if peaks is None else _peaks(peaks)
    numbers = _seeds(seeds)
    asked: list[Asked] = []
    for name, given in candidates.items():
        schedule, own_peak = _read(name, given, total, units)
        levels = schedule.values()
        for peak in chosen or [_single(name, own_peak, default_peak)]:
            rates = peak * levels
            asked += [Asked(name, repr(schedule), peak, seed, rates) for seed in numbers]
    return asked


def _read(
    name: Any, given: Any, total: int | str | None, units: Mapping[str, float | None]
) -> tuple[Schedule, float | None]:
    """Return a candidate's resolved schedule of learning rates, and its own peak if it has one."""
    if not isinstance(name, str) or not name:
        rule = f"needs names that are texts, got {shorten(name)}"
        raise ScheduleError("compare", rule, f"write {{{str(name)!r}: …}}")
    if isinstance(given, tuple):
        given, total = _pair(name, given)
    try:
        value = parse(given) if isinstance(given, str) else given
        schedule, peak = _learning_rate(name, value)
        resolved = schedule.resolve(total, **units)
    except ScheduleError as error:
        fix = error.fix if total is not None else f"{error.fix}; or give compare(…, total=1000)"
        raise ScheduleError(f"{_called(name)}: {error.who}", error.rule, fix) from None
    if not resolved.length:
        fix = f"give compare(…, total=1000), or a pair {{{name!r}: (…, 1000)}}"
        raise ScheduleError(_called(name), f"{shorten(resolved)} has no end", fix)
    return resolved, peak


def _called(name: str) -> str:
    return f"compare({{{name!r}: …}})"


def _pair(name: str, given: tuple[Any, ...]) -> tuple[Any, Any]:
    if len(given) != 2 or given[1] is None:
        rule = f"needs a schedule or a pair (schedule, total), got {shorten(given)}"
        raise ScheduleError(_called(name), rule, f"write {{{name!r}: (Cosine(to=0.1), 500)}}")
    return given[0], given[1]


def _learning_rate(name: str, value: Any) -> tuple[Schedule, float | None]:
    if isinstance(value, Schedule):
        return value, None
    if not isinstance(value, Plan):
        rule = f"is no schedule, plan or text of one, got {shorten(value)}"
        raise ScheduleError(f"{name!r}", rule, f"write {{{name!r}: Cosine(to=0.1)}}")
    others = sorted(
        {*value.schedules(), *(f"groups[{group!r}]" for group in value.groups)} - {"lr"}
    )
    if value.lr is None or others:
        rule = f"schedules {', '.join(others)}, and only learning rates are compared"
        raise ScheduleError(f"{name!r}", rule, "give Plan(lr=…), or the schedule alone")
    return value.lr, value.peak.get("lr")


def _single(name: str, own: float | None, default: Callable[[], float | None]) -> float:
    peak = default() if own is None else own
    if not peak:
        fix = "give compare(…, peaks=[3e-4, 1e-3, 3e-3])"
        raise ScheduleError(_called(name), "has no peak learning rate above 0", fix)
    return peak


def _peaks(peaks: Iterable[float]) -> list[float]:
    given = _listed("peaks", peaks, "give learning rates such as [3e-4, 1e-3]")
    who = f"compare(peaks={shorten(given)})"
    for peak in given:
        try:
            number(who, "peaks", peak, above=True)
        except ScheduleError:
            rule = f"needs peaks above 0, got {shorten(peak)}"
            raise ScheduleError(who, rule, "give learning rates such as 3e-4") from None
    return _distinct(who, "peaks", [float(peak) for peak in given])


def _seeds(seeds: int | Iterable[int]) -> list[int]:
    if isinstance(seeds, int):
        return list(range(whole(f"compare(seeds={seeds})", "the number of seeds", seeds, low=1)))
    given = _listed("seeds", seeds, "give a number of seeds, or a list such as [0, 1, 2]")
    who = f"compare(seeds={shorten(given)})"
    return _distinct(who, "seeds", [whole(who, "every seed", seed) for seed in given])


def _listed(what: str, given: Any, fix: str) -> list[Any]:
    items = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else None
    if not items:
        rule = f"needs {what} to be a list of at least one, got {shorten(given)}"
        raise ScheduleError(f"compare({what}={shorten(given)})", rule, fix)
    return items


def _distinct(who: str, what: str, items: Sequence[Any]) -> list[Any]:
    twice = sorted({item for item in items if items.count(item) > 1})
    if twice:
        rule = f"names {', '.join(map(str, twice))} more than once"
        raise ScheduleError(who, rule, f"give each of the {what} once")
    return list(items)
