"""From what the user hands to `compare` to the runs that it asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ratewise.runs.keys import Way
from ratewise.runs.optimizers import Names, makes_optimizers
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import Call, Fix, Who, nearest, number, shorten, whole
from ratewise.schedule.given import read_given
from ratewise.tasks.protocols import Rates

Written = Schedule | Plan | str
"""A schedule, a plan, or the text of one."""

Maker = Callable[[Any], Any]
"""A function that returns the optimizer of a model."""

Candidate = (
    Written | tuple[Written, int | str] | tuple[Maker, Written] | tuple[Maker, Written, int | str]
)
"""A schedule, or a tuple (optimizer, schedule, total) without its first, its last or neither."""

Peaks = Iterable[float] | Mapping[str, Iterable[float]] | None
"""Peaks of all candidates, or of each by its name; who has none uses its own."""


@dataclass(frozen=True, eq=False)
class RunSpec:
    """One run that was asked for: a candidate at a peak with a seed.

    Args:
        name: Name of the candidate.
        schedule: The resolved schedule, as text.
        peak: Peak learning rate, in (0, inf).
        seed: Seed, in [0, 2**62].
        rates: Absolute rates, float64[total], the peak times the levels.
        optimizer: Name of the optimizer that the candidate brings, or None.
        maker: What makes that optimizer, or None.
    """

    name: str
    schedule: str
    peak: float
    seed: int
    rates: Rates = field(repr=False)
    optimizer: str | None = None
    maker: Maker | None = field(default=None, repr=False)

    @property
    def way(self) -> Way:
        """What decides how it ends."""
        return Way(self.seed, self.optimizer, self.rates)


def read_candidates(
    candidates: Mapping[str, Candidate],
    *,
    seeds: int | Iterable[int],
    peaks: Peaks = None,
    default_peak: Callable[[Maker | None], float | None] = lambda maker: None,
    total: int | str | None = None,
    **units: float | None,
) -> list[RunSpec]:
    """Return every run that is asked for: candidates × peaks × seeds, in that order.

    Peaks given here overrule a plan's own; without them a plan's own counts, then `default_peak`
    of the optimizer that the candidate brings, or of None.

    Raises:
        ScheduleError: whatever cannot be trained as written, with the candidate's name.
    """
    if not isinstance(candidates, Mapping) or not candidates:
        fix = 'give a dict such as {"cosine": Cosine(to=0.1)}'
        raise ScheduleError(Call("compare"), "needs candidates by name", fix, given=candidates)
    chosen = _peaks_by_name(peaks, candidates)
    numbers = _seeds(seeds)
    makers = Names()
    asked: list[RunSpec] = []
    for name, given in candidates.items():
        maker, written, own_total = _split(name, given)
        schedule, own = _read(name, written, total if own_total is None else own_total, units)
        optimizer = makers.of(maker, name)
        levels = schedule.values()
        for peak in chosen.get(name) or [_single(name, own, default_peak, maker)]:
            run = name, repr(schedule), peak
            asked += [RunSpec(*run, seed, peak * levels, optimizer, maker) for seed in numbers]
    return asked


def _read(
    name: str, given: Any, total: Any, units: Mapping[str, float | None]
) -> tuple[Schedule, float | None]:
    """Return a candidate's resolved schedule of learning rates, and its own peak if it has one."""
    try:
        value = read_given(repr(name), given, f"write {{{name!r}: Cosine(to=0.1)}}")
        schedule, peak = _learning_rate(name, value)
        resolved = schedule.resolve(total, **units)
    except ScheduleError as error:
        raise error.within(Call("compare", item=name)) from None
    if not resolved.length:
        fix = Fix("give {total}, or a pair (schedule, 1000)", total="1000")
        raise ScheduleError(Call("compare", item=name), f"{shorten(resolved)} has no end", fix)
    return resolved, peak


def _split(name: Any, given: Any) -> tuple[Maker | None, Any, int | str | None]:
    """Return what makes the optimizer or None, the schedule, and its own total or None."""
    if not isinstance(name, str) or not name:
        rule = "needs names that are texts"
        raise ScheduleError(Call("compare"), rule, f"write {{{str(name)!r}: …}}", given=name)
    if not isinstance(given, tuple):
        return None, given, None
    parts = list(given)
    maker = parts.pop(0) if parts and makes_optimizers(parts[0]) else None
    total = parts.pop() if len(parts) == 2 else None
    paired = maker is not None or total is not None
    if len(parts) != 1 or not paired or not isinstance(total, int | str | None):
        rule = "needs a schedule or a pair (schedule, total) or (optimizer, schedule)"
        fix = f"write {{{name!r}: (Cosine(to=0.1), 500)}}, an optimizer before, a total after it"
        raise ScheduleError(Call("compare", item=name), rule, fix, given=given)
    return maker, parts[0], total


def _learning_rate(name: str, value: Schedule | Plan) -> tuple[Schedule, float | None]:
    if isinstance(value, Schedule):
        return value, None
    others = sorted(
        {*value.schedules(), *(f"groups[{group!r}]" for group in value.groups)} - {"lr"}
    )
    if value.lr is None or others:
        rule = f"schedules {', '.join(others)}, and only learning rates are compared"
        raise ScheduleError(repr(name), rule, "give Plan(lr=…), or the schedule alone")
    return value.lr, value.peak.get("lr")


def _single(
    name: str,
    own: float | None,
    default: Callable[[Maker | None], float | None],
    maker: Maker | None,
) -> float:
    peak = default(maker) if own is None else own
    if not peak:
        fix = Fix("give {peaks}", peaks="[3e-4, 1e-3, 3e-3]")
        raise ScheduleError(Call("compare", item=name), "has no peak learning rate above 0", fix)
    return peak


def _peaks_by_name(peaks: Peaks, names: Iterable[Any]) -> dict[Any, list[float]]:
    if peaks is None:
        return {}
    if not isinstance(peaks, Mapping):
        return dict.fromkeys(names, _peaks(peaks))
    known = [str(name) for name in names]
    for name in peaks:
        if name not in known:
            rule = f"is no candidate; those are {', '.join(known)}"
            raise ScheduleError(
                Call("compare", "peaks", item=str(name)), rule, nearest(name, known)
            )
    return {name: _peaks(given) for name, given in peaks.items()}


def _peaks(peaks: Iterable[float]) -> list[float]:
    some = "[3e-4, 1e-3]"
    fix = Fix("give {peaks}", alone=f"give learning rates such as {some}", peaks=some)
    given = _listed("peaks", peaks, fix)
    who = Call("compare", "peaks", given)
    for peak in given:
        try:
            number(who, "peaks", peak, above=True)
        except ScheduleError:
            rule = "needs peaks above 0"
            raise ScheduleError(who, rule, "give learning rates such as 3e-4", given=peak) from None
    return _distinct(who, "peaks", [float(peak) for peak in given])


def _seeds(seeds: int | Iterable[int]) -> list[int]:
    if isinstance(seeds, int):
        who = Call("compare", "seeds", seeds)
        return list(range(whole(who, "the number of seeds", seeds, low=1)))
    given = _listed("seeds", seeds, "give a number of seeds, or a list such as [0, 1, 2]")
    who = Call("compare", "seeds", given)
    return _distinct(who, "seeds", [whole(who, "every seed", seed) for seed in given])


def _listed(what: str, given: Any, fix: str | Fix) -> list[Any]:
    items = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else None
    if not items:
        rule = f"needs {what} to be a list of at least one"
        raise ScheduleError(Call("compare", what, given), rule, fix, given=given)
    return items


def _distinct(who: Who, what: str, items: Sequence[Any]) -> list[Any]:
    twice = sorted({item for item in items if items.count(item) > 1})
    if twice:
        rule = f"names {', '.join(map(str, twice))} more than once"
        raise ScheduleError(who, rule, f"give each of the {what} once")
    return list(items)
