"""The scheduler types of Transformers as moves, quirks included."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ratewise import schedule as rw
from ratewise.convert.formats import ask
from ratewise.convert.live._hf_restarts import HardRestarts
from ratewise.convert.pieces.layout import Layout
from ratewise.schedule import Move, ScheduleError
from ratewise.schedule.errors import shorten


@dataclass(frozen=True)
class Timing:
    """What a scheduler was told about time.

    Attributes:
        warmup: `num_warmup_steps`.
        steps: `num_training_steps`; None while nobody knows.
        run: Updates of the run; None if not known.
        free: Whether `steps` is the length of the run whatever that will be, not a number of its
            own. Then moves are left open.
    """

    warmup: float
    steps: float | None
    run: int | None
    free: bool

    @property
    def first(self) -> int:
        """The first update behind the warm-up."""
        return math.ceil(self.warmup)

    @property
    def offset(self) -> float:
        """How far into the decay that update is, in [0, 1)."""
        return self.first - self.warmup


@dataclass
class TrainerShape:
    who: str
    clock: Timing
    kwargs: Mapping[str, Any]
    notes: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.layout = Layout(self.clock.run)

    def decay(self, move: Move) -> None:
        """Add a move from the end of the warm-up to `steps`."""
        clock = self.clock
        if clock.free or clock.steps is None:
            self.layout.rest(move)
            return
        of = max(1.0, clock.steps - clock.warmup)
        over = math.ceil(clock.steps) - clock.first
        begin = max(0.0, of - (clock.steps - clock.first))
        self.layout.add(move, of, begin=begin, over=over)

    def need_steps(self) -> float:
        """Return `steps`, which have to be known."""
        if self.clock.steps is None:
            fix = ask("total", ", or give max_steps")
            raise ScheduleError(self.who, "depends on the length of the run", fix)
        return self.clock.steps


def build(who: str, kind: str, clock: Timing, kwargs: Mapping[str, Any]) -> TrainerShape:
    """Return the reading of one scheduler type, its arguments complete."""
    reading = TrainerShape(who, clock, kwargs)
    SHAPES[kind](reading)
    return reading


def _climb(r: TrainerShape, low: float = 0.0, shape: str = "linear") -> None:
    warmup = r.clock.warmup
    if warmup <= 0:
        return
    move = rw.Warmup(start=low, shape=shape)
    r.notes += r.layout.climb(move, max(1.0, warmup), over=r.clock.first)
    if r.clock.run is not None and r.clock.first >= r.clock.run:
        r.notes.append(
            f"The warm-up of {r.clock.first} updates fills the run of {r.clock.run}: the rate "
            "never reaches the peak, or reaches it only when the run is over."
        )


def _constant(r: TrainerShape) -> None:
    r.layout.hold()
    if r.clock.warmup:
        r.notes.append('The type "constant" ignores warmup_steps: update 0 is at the peak.')


def _constant_with_warmup(r: TrainerShape) -> None:
    _climb(r)
    r.layout.hold()


def _linear(r: TrainerShape) -> None:
    _climb(r)
    r.decay(rw.Linear(to=0.0))
    if not r.clock.free:
        r.layout.hold(0.0)


def _swing(cycles: float, low: float) -> Move:
    return rw.Cosine(to=low) if cycles == 0.5 else rw.Wave(to=low, cycles=cycles)


def _cosine(r: TrainerShape) -> None:
    _climb(r)
    _fall(r, r.clock.offset)


def _fall(r: TrainerShape, begin: float) -> None:
    """Add the cosine, from its position `begin` on; it goes on past the end of the decay."""
    cycles, low, clock = r.kwargs["num_cycles"], r.kwargs["min_lr_rate"], r.clock
    if clock.free and begin == 0.0:
        r.layout.rest(_swing(cycles, low))
        return
    steps = r.need_steps()
    of = max(1.0, steps - clock.warmup)
    over = math.ceil(steps if clock.run is None else clock.run) - clock.first
    if begin + over - 1 > of:
        full = begin + over
        r.layout.add(rw.Wave(low, cycles=cycles * full / of), full, begin=begin, over=over)
    else:
        r.layout.add(_swing(cycles, low), of, begin=begin, over=over)
    if not clock.free:
        _note_rebound(r, steps)


def _note_rebound(r: TrainerShape, steps: float) -> None:
    end = math.ceil(steps)
    if r.clock.run is None:
        r.notes.append(
            f"Past update {end} the cosine of Transformers goes on and rises again; this plan holds"
            " its end level there. Give total=… to read it for a longer run."
        )
    elif r.clock.run > end:
        r.notes.append(
            f"The scheduler was made for {end} updates and the run has {r.clock.run}: past update "
            f"{end} the cosine goes on, and the rate rises again."
        )


def _cosine_from_one(r: TrainerShape) -> None:
    """`cosine_warmup_with_min_lr`, which counts updates from 1."""
    clock, low = r.clock, r.kwargs["warmup_lr_rate"]
    if clock.offset:
        rule = f"has a warm-up of {shorten(clock.warmup)}"
        raise ScheduleError(r.who, rule, "give a whole number of updates")
    if clock.warmup > 0 and low is None:
        r.layout.add(rw.Warmup(start=0.0), max(1.0, clock.warmup), begin=1.0, over=clock.first)
        r.notes.append(f"The peak is reached at update {clock.first - 1}, the last of the warm-up.")
    elif clock.warmup > 0:
        of = max(1.0, clock.warmup - 1)
        r.layout.add(rw.Warmup(start=low), of, over=clock.first)
    else:
        r.notes.append("Without a warm-up, update 0 is already below the peak.")
    r.need_steps()
    _fall(r, 1.0)
    r.notes.append("The lowest rate is used by the last update, not by the one behind it.")


def _restarts(r: TrainerShape) -> None:
    _climb(r)
    cycles, clock = r.kwargs["num_cycles"], r.clock
    if clock.free and cycles == 1:
        r.layout.rest(rw.Cosine(to=0.0))
        return
    of = max(1.0, r.need_steps() - clock.warmup)
    decay = HardRestarts(r.who, cycles, of, math.ceil(of - clock.offset), clock.offset)
    decay.lay(r.layout)
    r.notes += decay.notes(clock.first)
    if not clock.free:
        r.layout.hold(0.0)


def _polynomial(r: TrainerShape) -> None:
    _climb(r)
    low, power, clock = r.kwargs["low"], r.kwargs["power"], r.clock
    if clock.warmup == clock.steps:
        r.notes.append(
            f"The warm-up is as long as the schedule: Transformers divides by zero at update "
            f"{clock.first}, in the scheduler's step behind update {clock.first - 1}."
        )
    if power == 0.0:
        r.notes.append("A power of 0 is no decay: the rate stays at the peak.")
        r.layout.hold(over=math.inf if clock.free else r.need_steps() - clock.first + 1)
    else:
        r.decay(rw.Linear(to=low) if power == 1.0 else rw.Polynomial(to=low, power=power))
    if not clock.free:
        r.layout.hold(low)


def _inverse_sqrt(r: TrainerShape) -> None:
    _climb(r)
    scale = r.kwargs["timescale"]
    if r.clock.offset or scale != int(scale):
        rule = f"has timescale={shorten(scale)} and a warm-up of {shorten(r.clock.warmup)}"
        raise ScheduleError(r.who, rule, "give both as whole numbers")
    r.layout.rest(rw.Power(0.5, every=int(scale)))


def _stable(r: TrainerShape) -> None:
    """`warmup_stable_decay`: three stretches, each where Transformers' comparisons put it."""
    clock, get = r.clock, r.kwargs
    low, decay, stable = get["min_lr_ratio"], get["num_decay_steps"], get["num_stable_steps"]
    _climb(r, low, _CLIMBS[get["warmup_type"]])
    shapes = {
        "linear": rw.Linear(low),
        "1-sqrt": rw.Sqrt(low),
        "cosine": _swing(get["num_cycles"], low),
    }
    move: Any = shapes[get["decay_type"]]
    fits = clock.run is None or clock.warmup + decay <= clock.run
    if stable is None and clock.free and fits and decay == int(decay):
        r.layout.put(rw.Hold(), 0)
        if decay:
            r.layout.put(replace(move, over=int(decay)), int(decay))
        return
    if stable is None:
        stable = r.need_steps() - clock.warmup - decay
    _stay_and_decay(r, move, stable, decay)
    r.layout.hold(low)


_CLIMBS = {"linear": "linear", "cosine": "cosine", "1-sqrt": "sqrt"}


def _stay_and_decay(r: TrainerShape, move: Any, stable: float, decay: float) -> None:
    first, start = r.clock.first, r.clock.warmup + stable
    a = max(first, math.ceil(start))
    b = max(a, math.ceil(start + decay))
    r.layout.hold(over=a - first)
    if first > start:
        r.notes.append(
            f"The warm-up and the decay overlap by {-stable:g} updates: at update {first} the "
            f"rate jumps into the decay, {first - start:g} updates after its start."
        )
        move = replace(move, start=1.0)
    r.layout.add(move, max(1.0, decay), begin=a - start, over=b - a)


SHAPES: dict[str, Callable[[TrainerShape], None]] = {
    "constant": _constant,
    "constant_with_warmup": _constant_with_warmup,
    "linear": _linear,
    "cosine": _cosine,
    "cosine_with_restarts": _restarts,
    "polynomial": _polynomial,
    "inverse_sqrt": _inverse_sqrt,
    "cosine_with_min_lr": _cosine,
    "cosine_warmup_with_min_lr": _cosine_from_one,
    "warmup_stable_decay": _stable,
}
