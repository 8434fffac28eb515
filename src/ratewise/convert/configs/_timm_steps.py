"""What timm's schedulers compute at their steps, which are epochs or updates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ratewise._arrays import Floats


@dataclass(frozen=True)
class TimmScheduler:
    """A scheduler as timm's factory makes it; fields that are not its own play no part.

    Attributes:
        kind: Name of the class without "LRScheduler", "Cosine".
        base: Rate at level 1.
    """

    kind: str
    base: float
    t_initial: float = 1
    lr_min: float = 0.0
    warmup_t: float = 0
    warmup_lr_init: float = 0.0
    warmup_prefix: bool = False
    cycle_mul: float = 1.0
    cycle_decay: float = 1.0
    cycle_limit: int = 1
    k_decay: float = 1.0
    power: float = 1.0
    lb: float = -7.0
    ub: float = 3.0
    decay_t: float = 1
    decay_rate: float = 1.0
    milestones: list[float] = field(default_factory=list[float])
    stable_fn: str = "constant"
    stable_timescale: float | None = None
    decay_fn: str = "1-sqrt"

    def at(self, t: int) -> float:
        """Return the rate at a step; the first is at what the constructor sets."""
        if t < self.warmup_t:
            on_curve = self.kind == "Tanh" and not self.warmup_prefix
            top = _tanh_curve(self, self.warmup_t) if on_curve else self.base
            return self.warmup_lr_init + t * ((top - self.warmup_lr_init) / self.warmup_t)
        if t == 0:
            return self.base
        return _CURVES[self.kind](self, t - self.warmup_t if self.warmup_prefix else t)

    def first(self, n: int) -> Floats:
        """Return the rates at the first n steps, float64[n]."""
        return np.array([self.at(t) for t in range(n)])

    @property
    def cycles(self) -> float:
        """Steps of all cycles and the warm-up before them."""
        count = max(1, self.cycle_limit)
        length = self.t_initial * count
        if self.cycle_mul != 1:
            length = math.floor(
                -self.t_initial * (self.cycle_mul**count - 1) / (1 - self.cycle_mul)
            )
        return length + (self.warmup_t if self.warmup_prefix else 0)


def _cycle(s: TimmScheduler, t: float) -> tuple[float, float, float] | None:
    """Return the peak of a cycle, the place in it and its length; None behind the last one."""
    i = t // s.t_initial
    place, length = t - s.t_initial * i, s.t_initial
    if s.cycle_mul != 1:
        i = math.floor(math.log(1 - t / s.t_initial * (1 - s.cycle_mul), s.cycle_mul))
        place = t - (1 - s.cycle_mul**i) / (1 - s.cycle_mul) * s.t_initial
        length = s.cycle_mul**i * s.t_initial
    return None if i >= s.cycle_limit else (s.base * s.cycle_decay**i, place, length)


def _cyclic(fall: Callable[[TimmScheduler, float, float], float]) -> _Curve:
    def curve(s: TimmScheduler, t: float) -> float:
        cycle = _cycle(s, t)
        if cycle is None:
            return s.lr_min
        top, place, length = cycle
        return s.lr_min + (top - s.lr_min) * fall(s, place, length)

    return curve


def _cosine(s: TimmScheduler, place: float, length: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * place**s.k_decay / length**s.k_decay))


def _poly(s: TimmScheduler, place: float, length: float) -> float:
    return (1 - place**s.k_decay / length**s.k_decay) ** s.power


def _tanh(s: TimmScheduler, place: float, length: float) -> float:
    done = place / length
    return 0.5 * (1 - math.tanh(s.lb * (1 - done) + s.ub * done))


_tanh_curve = _cyclic(_tanh)


def _step(s: TimmScheduler, t: float) -> float:
    return s.base * s.decay_rate ** (t // s.decay_t)


def _multi_step(s: TimmScheduler, t: float) -> float:
    return s.base * s.decay_rate ** sum(place <= t + 1 for place in s.milestones)


def _stable(s: TimmScheduler, t: float) -> float:
    top = s.base
    if s.stable_fn == "rsqrt":
        top *= (1 + t / (s.stable_timescale or s.warmup_t)) ** -0.5
    top = max(top, s.lr_min)
    done = min((t - (s.t_initial - s.decay_t)) / s.decay_t, 1.0)
    return top if done <= 0 else s.lr_min + (top - s.lr_min) * DECAYS[s.decay_fn](done)


_Curve = Callable[[TimmScheduler, float], float]
_CURVES: Mapping[str, _Curve] = {
    "Cosine": _cyclic(_cosine),
    "Poly": _cyclic(_poly),
    "Tanh": _tanh_curve,
    "Step": _step,
    "MultiStep": _multi_step,
    "WSD": _stable,
}

DECAYS: Mapping[str, Callable[[float], float]] = {
    "linear": lambda done: 1 - done,
    "1-sqrt": lambda done: 1 - math.sqrt(done),
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "power": lambda done: 1 - done**0.5,
    "exp": lambda done: (0.1**done - 0.1) / 0.9,
}
"""How the last phase falls from 1 to 0; where a setting is needed, with timm's own."""
