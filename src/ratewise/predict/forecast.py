"""What logs say of schedules nobody has trained: a fit, a ranking and how to tell it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise._printable import printable
from ratewise.logs.curve import Curve
from ratewise.logs.sign import Sign
from ratewise.logs.signs import SAME, read_signs
from ratewise.predict.api import fit
from ratewise.predict.grid import distinct_peaks
from ratewise.predict.held_out import AHEAD, FURTHER
from ratewise.predict.long_runs import block_of, candidates_in_blocks, curve_in_blocks
from ratewise.predict.result import Fit, Prediction
from ratewise.predict.spread import WIDTH
from ratewise.runs.specs import Candidate
from ratewise.schedule import Plan, ScheduleError
from ratewise.view.format import format_rate, format_table

SHAPES = {
    "constant": "Hold()",
    "linear": "Linear(to=0)",
    "cosine": "Cosine(to=0)",
    "cosine to 10 %": "Cosine(to=0.1)",
    "cooldown 20 %": 'Hold() >> Linear(to=0, over="20%")',
    "1-sqrt 20 %": 'Hold() >> Sqrt(to=0, over="20%")',
}
"""What is ranked if nothing is asked for, each behind the warm-up of the runs."""

FREE = "any form"
"""What the schedule is called that the law likes best of all forms."""

MISFIT = 0.1
"""Relative miss of a run's own end, beyond its jitter, from which on a law is not used to rank."""

NO_BETTER = 0.5
"""Mean miss of the ends of its own runs, beyond their jitter, over how far these are apart, from
which on a law is not used to rank: it does not even tell its own runs from each other."""

UNFORESEEN = 0.25
"""Relative error of what was held out from which on nothing is ranked."""

READ = 12
"""Runs that are told of one by one."""

SHOWN = 20
"""Lines of the table that are shown."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """Predictions of a fit, the best first.

    Args:
        fit: The fitted law.
        predictions: What it says of each candidate at each peak; none where a sign stops it.
        schedules: The text of each candidate by name.
        notes: What was left out on the way.
        block: Updates that one step of the runs and of the predictions stands for.
        signs: What the runs show before any law speaks.
        going_on: Where nothing is ranked: what the only run comes to if it goes on at its last
            rate, for at most 1 / .6 times as long; None where that is not foreseen or not asked.
    """

    fit: Fit
    predictions: tuple[Prediction, ...]
    schedules: Mapping[str, str]
    notes: tuple[str, ...] = ()
    block: int = 1
    signs: tuple[Sign, ...] = ()
    going_on: Prediction | None = None

    @property
    def stopped(self) -> tuple[Sign, ...]:
        """The signs for which nothing is ranked."""
        return tuple(sign for sign in self.signs if sign.stops)

    def table(self) -> str:
        """Return the ranking, a line each: name, peak, loss, interval and notes."""
        head = ("schedule", "peak", "loss", "90 % interval", "")
        rows = [
            (one.name, format_rate(one.peak, 4), f"{one.loss:#.5g}",
             f"{one.low:#.5g} to {one.high:#.5g}", "; ".join(one.notes))
            for one in self.predictions[:SHOWN]
        ]  # fmt: skip
        table = format_table([head, *rows], left=(0, 4))
        more = len(self.predictions) - len(rows)
        return f"{table}\nand {more} more" if more else table

    def text(self, width: int | None = None, colour: bool | None = None) -> str:
        """Return what was read, the law, the curves drawn as text, the ranking and the advice.

        Args:
            width: Columns; left out, as wide as the terminal, at most 120.
            colour: Whether to use colours; left out, if standard output is a terminal.
        """
        from ratewise.view.prediction import draw_text
        from ratewise.view.terminal import read_screen

        width, colour = read_screen(width, colour)
        runs = [f"read {_told(one, self.block)}" for one in self.fit.curves[:READ]]
        if len(self.fit.curves) > READ:
            runs.append(f"read {len(self.fit.curves) - READ} more")
        signs = [f"seen: {sign}" for sign in self.signs]
        notes = [f"note: {note}" for note in self.notes]
        lines = map(printable, [*signs, *runs, *notes])
        told = [textwrap.fill(line, width, subsequent_indent="  ") for line in lines]
        law = [textwrap.fill(printable(line), width) for line in str(self.fit).splitlines()]
        picture = draw_text(*self.fit.drawn(self.predictions), width, colour)
        advice = textwrap.fill(printable(self.advice()), width)
        table = [self.table(), ""] if self.predictions else []
        return "\n".join([*told, *law, "", picture, *table, advice])

    def advice(self) -> str:
        """Return which to train, and how sure that is; or why none is named."""
        if not self.predictions:
            why = "; ".join(dict.fromkeys(sign.sentence for sign in self.stopped))
            first = next((sign.advice for sign in self.stopped if sign.advice), "")
            said = f"No schedule is ranked: {why}." + (f" What to do: {first}." if first else "")
            return f"{said} {self._own_end()}" if self.going_on is not None else said
        best = self.predictions[0]
        peak = format_rate(best.peak, 4)
        said = f"The best is “{best.name}” at a peak of {peak}: {self.schedules[best.name]}."
        near = sum(one.low <= best.high for one in self.predictions[1:])
        if near and near == len(self.predictions) - 1:
            said = f"No schedule is told from another: all intervals overlap. {said}"
            said = said.replace("The best", "The lowest", 1)
        elif near:
            said += f" The intervals of {near} more overlap with its own."
        return f"{said} No law foresees divergence: train the first few to prove it."

    def _own_end(self) -> str:
        one = self.going_on
        assert one is not None
        rate, after = format_rate(float(one.rates[-1]), 4), f"{len(one.rates):,} updates"
        inside = f"{one.low:#.5g} to {one.high:#.5g}"
        return f"Gone on with at {rate}, it comes to {one.loss:#.5g} ({inside}) after {after}."

    def figure(self) -> Any:
        """Return a `matplotlib.figure.Figure` of the runs and of the best few predictions.

        Raises:
            ImportError: matplotlib is not installed.
        """
        return self.fit.figure(self.predictions)

    def to_dict(self) -> dict[str, Any]:
        """Return the runs, the law, the ranking and the notes as primitives."""
        return {
            "runs": [_as_dict(one, self.block) for one in self.fit.curves],
            "law": {"name": self.fit.name, "error": self.fit.error, "value": repr(self.fit.law)},
            "predictions": [self._prediction(one) for one in self.predictions],
            "going_on": None if self.going_on is None else self._end(self.going_on),
            "notes": [*self.notes, *self.fit.notes],
            "signs": [
                {
                    "kind": one.kind,
                    "sentence": one.sentence,
                    "advice": one.advice,
                    "stops": one.stops,
                }
                for one in self.signs
            ],
        }

    def _prediction(self, one: Prediction) -> dict[str, Any]:
        told = {"name": one.name, "schedule": self.schedules[one.name], "peak": one.peak}
        return told | self._end(one) | {"notes": list(one.notes)}

    def _end(self, one: Prediction) -> dict[str, Any]:
        total = len(one.rates) * self.block
        return {"total": total, "loss": one.loss, "low": one.low, "high": one.high}

    def __str__(self) -> str:
        table = f"{self.table()}\n" if self.predictions else ""
        signs = "".join(f"{printable(str(sign))}\n" for sign in self.signs)
        return f"{signs}{self.fit}\n{table}{printable(self.advice())}"


def forecast(
    curves: Iterable[Curve],
    candidates: Mapping[str, Candidate] | None = None,
    *,
    peaks: Sequence[float] | None = None,
    total: int | None = None,
    law: str = "auto",
    notes: Iterable[str] = (),
) -> Forecast:
    """Fit a law to some runs, and return what it says of others.

    Args:
        curves: The runs.
        candidates: Schedules by name; left out, six usual shapes and the best of any form, behind
            the warm-up that the runs had.
        peaks: Peak learning rates; left out, those of the runs that the law was fitted to.
        total: Updates; left out, those of the longest run.
        law: The law, as `fit` takes it.
        notes: What was left out before.

    Nothing is ranked where a run shows that a ranking would be made up: see `read_signs`, and a
    law that misses the ends of its own runs, or the later part of the only one, by too much.

    Raises:
        ScheduleError: no law can be fitted, or a candidate does not fit into the run.
    """
    runs, said = list(curves), list(notes)
    seen = read_signs(one for one in runs if not one.diverged)
    block = block_of(runs, total)
    if block > 1:
        runs = [curve_in_blocks(one, block) for one in runs]
        said.append(f"in runs so long the law and the picture count blocks of {block} updates")
    fitted = fit(runs, law)
    signs = (*seen, *law_signs(fitted))
    longest = max(len(one.every_rate) for one in fitted.curves) * block
    length = longest if total is None else total
    tried = distinct_peaks(one.peak for one in fitted.curves) if peaks is None else list(peaks)
    climb = min(warmup_of(fitted.curves) * block, length // 2)
    asked = behind(climb) if candidates is None else candidates
    meant = asked if block == 1 else candidates_in_blocks(asked, length, block)
    found = fitted.rank(meant, lr=tried, total=length // block)
    if any(sign.stops for sign in signs):
        own = _gone_on(fitted, total) if block == 1 and len(runs) == 1 else None
        return Forecast(fitted, (), {}, tuple(said), block, signs, own)
    texts = {name: _text(one) for name, one in asked.items()}
    if candidates is None and block == 1:  # the best of any form would be written in blocks
        try:
            free = fitted.best(total=length, lr=found[0].peak, warmup=climb)
        except ScheduleError as error:
            said.append(f"no best of any form: the law {fitted.name!r} {error.broken}")
        else:
            best = fitted.rank({FREE: free}, lr=found[0].peak, total=length)
            found = tuple(sorted([*found, *best], key=lambda one: one.loss))
            texts[FREE] = repr(free)
    return Forecast(fitted, found, texts, tuple(said), block, signs)


def _gone_on(fitted: Fit, total: int | None) -> Prediction | None:
    """Return what the only run comes to at its last rate, after `total` updates or as planned."""
    run = fitted.curves[0]
    made, until = len(run.every_rate), total or run.planned or 0
    if not made < until <= made / AHEAD:
        return None
    rates = np.append(run.every_rate, np.full(until - made, run.every_rate[-1]))
    if blinding(fitted, rates):
        return None
    losses = fitted.losses(steps=np.arange(1, until + 1), rates=rates)
    low, high = fitted.interval(rates)
    return Prediction(run.name, run.peak, float(losses[-1]), low, high, (), rates, losses)


def blinding(fitted: Fit, rates: Floats) -> tuple[Sign, ...]:
    """Return why the end of the only run that was fitted is not foreseen; nothing if it is.

    That a ranking is stopped does not forbid it: a run at one rate, or one whose loss stands still,
    may go on as it did. An interval of more than 45 % to either side foresees nothing.

    Args:
        fitted: The fit to one run.
        rates: The rate of every update if it goes on, float64[total], from its first on.
    """
    run = fitted.curves[0]
    found = [*read_signs([run]), *law_signs(fitted, goes_on=True)]
    behind = rates[len(run.every_rate) - 1 :]
    elsewhere = float(np.ptp(behind)) > SAME * float(behind.max())
    told = [sign for sign in found if sign.blinds or (sign.kind == "one_rate" and elsewhere)]
    low, high = fitted.interval(rates)
    width = float(np.log(high / low)) / (2 * WIDTH)
    if width > UNFORESEEN and not any(sign.kind == "unforeseen" for sign in told):
        said = f"its two laws are far apart: an end is foreseen to about {width:.0%} alone"
        told.append(Sign("unforeseen", said, "wait for more of it", stops=True))
    return tuple(told)


def law_signs(fitted: Fit, *, goes_on: bool = False) -> tuple[Sign, ...]:
    """Return what a fit itself shows: that it misses its own runs, or what was held out.

    Args:
        fitted: The fit.
        goes_on: Whether its only run is asked for, gone on with, and no other schedule.
    """
    found: list[Sign] = []
    own = fitted.own_miss()
    if own > MISFIT:
        said = f"the law misses the ends of the runs that it was fitted to, by up to {own:.1%}"
        advice = "compare by training: these runs are of no form that it knows"
        found.append(Sign("misfit", said, advice, stops=True))
    elif fitted.own_share() > NO_BETTER:
        said = "the law misses the ends of its own runs by as much as they are apart"
        advice = "compare by training, or fit the runs of one peak alone"
        found.append(Sign("misfit", said, advice, stops=True))
    error = fitted.error / (FURTHER if goes_on else 1.0)
    if len(fitted.held) and error > UNFORESEEN:
        said = f"an end is foreseen to about {error:.0%} alone, by what was held out"
        advice = "log more points, or compare by training"
        found.append(Sign("unforeseen", said, advice, stops=True))
    return tuple(found)


def warmup_of(curves: Sequence[Curve]) -> int:
    """Return how many updates the runs took to climb to their peak, the median of those that did.

    The first rate of a run without a warm-up is its highest.
    """
    tops = [int(np.argmax(one.every_rate >= 0.999 * one.peak)) for one in curves]
    return int(np.median(tops))


def behind(warmup: int) -> dict[str, str]:
    """Return the usual shapes behind a warm-up."""
    climb = f"Warmup({warmup}) >> " if warmup else ""
    return {name: climb + shape for name, shape in SHAPES.items()}


def _text(candidate: Any) -> str:
    if isinstance(candidate, tuple):
        return " for ".join(map(str, candidate))
    schedule = candidate.lr if isinstance(candidate, Plan) else candidate
    return schedule if isinstance(schedule, str) else repr(schedule)


def _told(curve: Curve, block: int) -> str:
    steps, losses = np.asarray(curve.steps) * block, np.asarray(curve.losses)
    peak = format_rate(curve.peak, 4)
    return (
        f"{curve.name}: {len(steps)} points, updates {int(steps[0]):,} to {int(steps[-1]):,}, "
        f"peak {peak}, loss {losses[0]:.4g} to {losses[-1]:.4g}"
    )


def _as_dict(curve: Curve, block: int) -> dict[str, Any]:
    steps, losses = np.asarray(curve.steps) * block, np.asarray(curve.losses)
    told: dict[str, Any] = {"name": curve.name, "points": len(steps), "last": int(steps[-1])}
    return told | {"peak": curve.peak, "loss": float(losses[-1])}
