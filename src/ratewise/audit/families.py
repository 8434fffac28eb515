"""The families of schedules that a log may show: each a curve with a few numbers in it.

A curve is a warm-up up to update W, the peak up to update H, a body from there on. Its numbers:

| name | what it is |
|---|---|
| p | the peak rate |
| s | the level at update 0, as a share of the peak |
| W | the first update at the peak |
| H | the first update of the body, W unless the peak is held |
| T | the update at which the body ends |
| f | the level it ends on, as a share of the peak |
| q | the power of a polynomial |
| c | the time scale of a body that has no end, in updates |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ratewise._arrays import Floats
from ratewise.schedule import (
    Cosine,
    ExponentialDecay,
    Hold,
    InverseTime,
    Linear,
    Polynomial,
    Power,
    Schedule,
    Sqrt,
    Warmup,
)

Numbers = Mapping[str, float]
"""What a curve is made of, by name."""

CONSTANT = "constant"
LINEAR = "linear"
COSINE = "cosine"
RESTARTS = "cosine restarts"
POLYNOMIAL = "polynomial"
EXPONENTIAL = "exponential"
STEP = "step"
INVERSE_SQRT = "inverse square root"
STABLE = "warmup-stable-decay"
ONE_CYCLE = "one-cycle"
CYCLIC = "cyclic"
TIME_BASED = "time-based"
PIECEWISE = "piecewise constant"
PLATEAU = "plateau"
PHASES = "several phases"
WARMING = "warm-up only"

FAMILIES = (
    *(CONSTANT, LINEAR, COSINE, RESTARTS, POLYNOMIAL, EXPONENTIAL, STEP, INVERSE_SQRT, STABLE),
    *(ONE_CYCLE, CYCLIC, TIME_BASED, PIECEWISE, PLATEAU),
)
"""The families that are named; a log that is none of them may be `PHASES`, or `WARMING` alone."""


@dataclass(frozen=True)
class BodyForm:
    """What follows the warm-up.

    Args:
        numbers: Names of its numbers beside p and H.
        level: The level at x >= 0 updates behind H, as a share of the peak.
    """

    numbers: tuple[str, ...]
    level: Callable[[Floats, Numbers], Floats]


def _progress(x: Floats, v: Numbers) -> Floats:
    return np.minimum(x / max(v["T"] - v["H"], 1e-9), 1.0)


def _between(u: Floats, v: Numbers) -> Floats:
    return v["f"] + (1 - v["f"]) * u


def _linear(x: Floats, v: Numbers) -> Floats:
    return _between(1 - _progress(x, v), v)


def _cosine(x: Floats, v: Numbers) -> Floats:
    return _between((1 + np.cos(np.pi * _progress(x, v))) / 2, v)


def _polynomial(x: Floats, v: Numbers) -> Floats:
    return _between((1 - _progress(x, v)) ** v["q"], v)


def _sqrt(x: Floats, v: Numbers) -> Floats:
    return _between(1 - np.sqrt(_progress(x, v)), v)


def _exponential(x: Floats, v: Numbers) -> Floats:
    return np.exp(np.maximum(-x / v["c"], -700.0))


def _time_based(x: Floats, v: Numbers) -> Floats:
    return 1 / (1 + x / v["c"])


def _inverse_sqrt(x: Floats, v: Numbers) -> Floats:
    return 1 / np.sqrt(1 + x / v["c"])


BODIES: dict[str, BodyForm] = {
    "hold": BodyForm((), lambda x, v: np.ones_like(x)),
    "linear": BodyForm(("T", "f"), _linear),
    "cosine": BodyForm(("T", "f"), _cosine),
    "polynomial": BodyForm(("T", "f", "q"), _polynomial),
    "sqrt": BodyForm(("T", "f"), _sqrt),
    "exponential": BodyForm(("c",), _exponential),
    "time": BodyForm(("c",), _time_based),
    "rsqrt": BodyForm(("c",), _inverse_sqrt),
}
ENDLESS = ("exponential", "time", "rsqrt")
"""Bodies that never end; with a floor, they stay there."""


def _ramp(t: Floats, v: Numbers) -> Floats:
    return t / max(v["W"], 1e-9)


def _log_warmup(t: Floats, v: Numbers) -> Floats:
    return np.log1p(np.maximum(t, 0.0)) / np.log1p(max(v["W"], 1e-9))


WARMUPS: dict[str, Callable[[Floats, Numbers], Floats]] = {
    "linear": _ramp,
    "ahead": lambda t, v: (t + 1) / (max(v["W"], 0.0) + 1),
    "early": lambda t, v: (t + 1) / max(v["W"], 1e-9),
    "cosine": lambda t, v: (1 - np.cos(np.pi * np.clip(_ramp(t, v), 0, 1))) / 2,
    "quadratic": lambda t, v: np.maximum(_ramp(t, v), 0.0) ** 2,
    "log": _log_warmup,
    "constant": lambda t, v: np.zeros_like(t),
    "geometric": _ramp,
}
"""How far a warm-up has come at update t, from the level s to 1.

"linear" is t/W; "ahead" is (t + 1)/(W + 1); "early" is (t + 1)/W, whose last update is at the peak.
"""


@dataclass(frozen=True)
class Template:
    """A kind of curve.

    Args:
        body: Name of its body.
        warm: Name of its warm-up; "" for none, "hidden" for one that ended before the first point.
        hold: Whether it stays at the peak before the body.
        floor: Whether a body without end is cut off at a level f.
        fixed: Numbers that are what they are.
        product: Whether the body goes on from update 0 and the warm-up is a factor on it.
    """

    body: str
    warm: str = ""
    hold: bool = False
    floor: bool = False
    fixed: tuple[tuple[str, float], ...] = ()
    product: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The numbers that are free."""
        own = ("p", *BODIES[self.body].numbers)
        if self.warm == "hidden":
            own = (*own, "W")
        elif self.warm:
            own = (*own, "s", "W")
        own = (*own, "H") if self.hold else own
        own = (*own, "f") if self.floor else own
        return tuple(name for name in own if name not in dict(self.fixed))

    def filled(self, values: Numbers) -> dict[str, float]:
        """Return all numbers, those included that follow from others."""
        v = {"s": 0.0, "W": 0.0, "f": 0.0, **values, **dict(self.fixed)}
        v["c"], v["q"] = max(v.get("c", 1.0), 1e-6), min(max(v.get("q", 1.0), 0.05), 40.0)
        if not self.warm:
            v["W"] = 0.0
        if not self.hold:
            v["H"] = 0.0 if self.product else v["W"]
        return v

    def rates(self, t: Floats, values: Numbers) -> Floats:
        """Return the rates at updates t."""
        v = self.filled(values)
        level = np.ones_like(t)
        down = t >= v["H"]
        level[down] = BODIES[self.body].level(t[down] - v["H"], v)
        if self.floor:
            level = np.maximum(level, v["f"])
        if self.warm and self.warm != "hidden":
            up = t < v["W"]
            done = WARMUPS[self.warm](t[up], v)
            if self.warm == "geometric":
                climb = max(v["s"], 1e-12) ** (1 - done)
            else:
                climb = v["s"] + (1 - v["s"]) * done
            level[up] = climb * level[up] if self.product else climb
        return v["p"] * level


# As schedules -------------------------------------------------------------------------------


def tidy(value: float) -> float:
    """Return a number without the last bits that arithmetic has left in it."""
    return float(f"{value:.10g}")


def warmup_move(warm: str, start: float, over: int) -> Schedule:
    """Return a warm-up from a level to the peak over so many updates."""
    if warm == "constant":
        return Hold(tidy(start), over=over)
    if warm == "geometric":
        rate = tidy((1 / start) ** (1 / over))
        return ExponentialDecay(rate, over=over, start=tidy(start))
    if warm == "early":
        return Warmup(over - 1) >> Hold(over=1)
    if warm == "ahead" or (warm == "linear" and abs(start * (over + 1) - 1) < 1e-6):
        return Warmup(over)
    return Warmup(over, start=tidy(max(start, 0.0)), shape=warm)


def body_move(body: str, over: int | None, v: Numbers) -> Schedule:
    """Return the move of a body."""
    to = tidy(max(v["f"], 0.0))
    if body == "linear":
        return Linear(to, over=over)
    if body == "cosine":
        return Cosine(to, over=over)
    if body == "polynomial":
        power = tidy(v["q"])
        return Linear(to, over=over) if power == 1 else Polynomial(to, power=power, over=over)
    if body == "sqrt":
        return Sqrt(to, over=over)
    if body == "exponential":
        return exponential(v["c"])
    if body == "time":
        return inverse_time(v["c"])
    if body == "rsqrt":
        return Power(0.5, every=max(1, round(v["c"])))
    return Hold()


def exponential(scale: float) -> Schedule:
    """Return the decay by e in so many updates, in the roundest way to say it."""
    for every in (1, 100, 1000, 500, 10_000, 2000, 5000, 200, 50, 10):
        rate = np.exp(-every / scale)
        for digits in (1, 2, 3):
            short = round(float(rate), digits)
            if 0 < short < 1 and abs(np.log(short) * scale / every + 1) < 2e-6:
                return ExponentialDecay(short, every=every)
    return ExponentialDecay(float(np.exp(-1 / scale)))


def inverse_time(scale: float) -> Schedule:
    """Return 1 / (1 + t/scale)."""
    return InverseTime(float(f"{1 / scale:.6g}"))
