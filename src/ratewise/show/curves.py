"""From whatever a user hands over to the curves that are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import Call, Context, number, speaking
from ratewise.schedule.given import read_given
from ratewise.schedule.simulate import Decision
from ratewise.show.landmarks import Event, Landmark, describe, events, length_of
from ratewise.show.metrics import Recorded
from ratewise.show.survey import Survey, survey

if TYPE_CHECKING:
    from ratewise.view.schedules import Line

_NO_METRICS = "{} depends on metrics: drawn as if it was shown none"

One = Schedule | Plan | str
"""A schedule, a plan, or the text of either."""
What = One | Mapping[str, One] | Iterable[One]
"""One of these, or several: by name, or in a list."""


@dataclass(frozen=True)
class ScheduleCurve:
    """One resolved schedule, ready to be drawn.

    Attributes:
        name: What it is called in the legend.
        schedule: The resolved schedule.
        row: Axes it is drawn on: the key and group of a plan, "lr" or "head: lr"; "" for a
            schedule by itself.
        peak: The value at level 1 where it is known.
        decisions: What a schedule that listens decided by the metrics it was shown.
        units: What else the run is counted in, and how much of it an update is.
    """

    name: str
    schedule: Schedule
    row: str = ""
    peak: float | None = None
    decisions: tuple[Decision, ...] = ()
    units: tuple[tuple[str, float], ...] = ()

    @cached_property
    def length(self) -> int:
        """Updates in the run."""
        return length_of(self.schedule)

    @cached_property
    def _events(self) -> list[Event]:
        decided = {d.update: _told(d) for d in self.decisions}
        happened = [e for e in events(self.schedule, self.length) if e[0] not in decided]
        return sorted([*happened, *decided.items()], key=lambda event: event[0])

    @cached_property
    def survey(self) -> Survey:
        """What all levels come to."""
        return survey(self.schedule, self.length, tuple(update for update, _ in self._events))

    @cached_property
    def landmarks(self) -> tuple[Landmark, ...]:
        """What happens where."""
        return describe(self.schedule, self.length, self._events, self.survey.top)

    @property
    def boundaries(self) -> tuple[int, ...]:
        """Updates at which one move gives way to the next."""
        return tuple(dict.fromkeys(update for update, _ in self._events))

    def line(self) -> Line:
        """Return what is drawn of it, in numbers."""
        from ratewise.view.schedules import Line

        of = self.survey
        decided = [d.update for d in self.decisions if d.update < self.length]
        return Line(
            name=self.name, row=self.row, peak=self.peak, length=self.length,
            updates=of.updates, levels=of.levels, boundaries=self.boundaries,
            decided=[(update, self.schedule(update)) for update in decided],
            landmarks=self.landmarks, mean=of.mean, zeros=of.zeros, jump=of.jump, exact=of.exact,
            units=self.units,
        )  # fmt: skip


def gather(
    what: What,
    total: int | str | None,
    units: Mapping[str, float | None],
    lr: float | None,
    metrics: Recorded | None = None,
) -> tuple[tuple[ScheduleCurve, ...], tuple[str, ...]]:
    """Return the curves of schedules and plans, in order, and the notes of the plans."""
    if lr is not None:
        lr = number(Call("show", "lr", lr), "lr", lr, above=True)
    curves: list[ScheduleCurve] = []
    notes: list[str] = []
    for name, given in _named(what):
        value = read_given("show", given, "write show(Warmup(50) >> Cosine(to=0.1), 1000)")
        with speaking(Context(called="show")):
            drawn = list(_curves(name, value, total, units, lr))
            drawn = [replace(curve, units=_counted(units)) for curve in drawn]
            assert all(curve.length for curve in drawn)  # no end is an error of this context
        for curve in drawn:
            curves.append(_with_metrics(curve, metrics))
            if curve.schedule.listens and metrics is None:
                notes.append(_NO_METRICS.format(curve.name))
        if isinstance(value, Plan):
            notes += value.notes
    if not curves:
        raise ScheduleError("show", "got nothing to draw", "give at least one schedule")
    if any(curve.row for curve in curves):  # beside a plan, a schedule is one of the rate
        curves = [replace(curve, row=curve.row or "lr") for curve in curves]
    return tuple(curves), tuple(notes)


def _counted(units: Mapping[str, float | None]) -> tuple[tuple[str, float], ...]:
    """Return what a run can be counted in beside updates, and how much of it an update is."""
    each = {name: value for name, value in units.items() if value}
    epochs = {"epoch": 1 / each.pop("epoch")} if "epoch" in each else {}
    return (*epochs.items(), *each.items())


def _named(what: What) -> Iterator[tuple[str | None, One]]:
    if isinstance(what, Mapping):
        for name, one in what.items():
            yield str(name), one
    elif isinstance(what, str | Schedule | Plan) or not isinstance(what, Iterable):
        yield None, what
    else:
        for one in what:
            yield None, one


def _curves(
    name: str | None,
    value: Schedule | Plan,
    total: int | str | None,
    units: Mapping[str, float | None],
    lr: float | None,
) -> Iterator[ScheduleCurve]:
    if isinstance(value, Schedule):
        yield ScheduleCurve(name or repr(value), value.resolve(total, **units), "", lr)
        return
    for group, part in {"": value, **value.groups}.items():
        peaks = {**value.peak, **part.peak}
        if lr is not None and not (group and "lr" in part.peak):  # a group's own peak stays
            peaks["lr"] = lr
        for key, schedule in part.schedules().items():
            row = f"{group}: {key}" if group else key
            resolved = schedule.resolve(total, **units)
            yield ScheduleCurve(name or repr(schedule), resolved, row, peaks.get(key))


def _with_metrics(curve: ScheduleCurve, metrics: Recorded | None) -> ScheduleCurve:
    """Return the curve that a listening schedule takes under recorded metrics, or under none."""
    if not curve.schedule.listens:
        return curve
    run = curve.schedule.simulate([pair for pair in metrics or [] if pair[0] < curve.length])
    return replace(curve, schedule=run.schedule, decisions=run.decisions)


def _told(decision: Decision) -> str:
    name = decision.move.partition("(")[0]
    return f"{name} decides: " + ("cool" if name == "EarlyCool" else f"× {decision.scale:g}")
