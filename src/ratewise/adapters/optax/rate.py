"""The rate: what Optax calls a schedule, as a frozen value."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ratewise.schedule import Function, Schedule, ScheduleError
from ratewise.schedule.errors import shorten
from ratewise.schedule.track import Track

LAST_COUNT = 2**31 - 1
"""Where the int32 counters of Optax stop."""

UNTRACEABLE = (
    jax.errors.ConcretizationTypeError,  # of which the one about bool is a kind
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


@dataclass(frozen=True, repr=False)
class Rate:
    """Maps a count of updates to a rate; made by `schedule`.

    rate(count) = peak · level(start + count)

    On the host, for ints and numpy arrays, it is float64. For arrays of JAX, traced or not, it is
    computed in float64 inside whatever program calls it, and rounded once to JAX's own float.

    Attributes:
        schedule: The schedule, every length in updates.
        peak: Rate at level 1.
        start: Updates committed before count 0.
        double: Whether to compute in float64 where JAX's own float is float32.
    """

    schedule: Schedule
    peak: float
    start: int = 0
    double: bool = True

    @cached_property
    def _track(self) -> Track:
        return self.schedule.track(None)

    def __call__(self, count: Any) -> Any:
        """Return the rate of update `count`, or of each in an array of such."""
        if isinstance(count, jax.Array):
            return self._traced(count)
        if isinstance(count, np.ndarray) and count.dtype.kind in "iu":
            count = count.astype(np.int64)
        if isinstance(count, bool | float | str) or count is None:
            raise _not_a_count(shorten(count))
        return self.peak * self.schedule(count + self.start)

    def _traced(self, count: Any) -> Any:
        if not jnp.issubdtype(count.dtype, jnp.integer):
            raise _not_a_count(f"an array of {count.dtype}")
        own = jnp.result_type(float)
        with precision(self.double):
            t = jnp.maximum(count.astype(jnp.result_type(int)), 0)
            return (self._levels(t) * self.peak).astype(own)

    def _levels(self, t: Any) -> Any:
        try:
            return self._track.levels(jnp, t + self.start if self.start else t)
        except OverflowError:
            rule = f"has lengths beyond 2**31 - 1 updates ({shorten(self.schedule)})"
            fix = "leave out double=False, or set jax_enable_x64"
            raise ScheduleError("schedule(…)", rule, fix) from None
        except UNTRACEABLE as error:
            who = next((repr(f) for f in functions(self.schedule)), repr(self.schedule))
            rule = "cannot be traced by JAX"
            fix = "write its callable with jax.numpy and without `if`, or use a Piecewise"
            raise ScheduleError(who, rule, fix) from error

    def __repr__(self) -> str:
        start = f", start={self.start}" if self.start else ""
        double = "" if self.double else ", double=False"
        return f"schedule({self.schedule!r}, lr={self.peak!r}{start}{double})"

    def __reduce__(self) -> tuple[type[Rate], tuple[Any, ...]]:
        return Rate, (self.schedule, self.peak, self.start, self.double)


def precision(double: bool) -> contextlib.ExitStack:
    """Return the context in which levels are traced: float64 where JAX can nest it."""
    stack = contextlib.ExitStack()
    stack.enter_context(jax.numpy_dtype_promotion("standard"))
    if double and hasattr(jax, "enable_x64"):  # since 0.8 programs may change precision inside
        stack.enter_context(jax.enable_x64(True))
    return stack


def functions(schedule: Any) -> list[Function]:
    """Return the `Function` moves in a schedule, however deep."""
    if isinstance(schedule, Function):
        return [schedule]
    if isinstance(schedule, tuple | list):
        return [found for part in schedule for found in functions(part)]
    if not isinstance(schedule, Schedule):
        return []
    return [found for part in vars(schedule).values() for found in functions(part)]


def check_countable(rate: Rate) -> Rate:
    """Refuse what listens to metrics, or ends behind the last update that Optax can count."""
    if rate.schedule.listens:
        rule = "depends on metrics, which Optax does not show to schedules"
        fix = "write ratewise.optax.listen(plan, optax.adamw) and observe(opt_state, metrics)"
        raise ScheduleError(shorten(rate.schedule), rule, fix)
    length = rate.schedule.length
    if length is not None and length - rate.start > LAST_COUNT + 1:
        rule = f"is {length} updates long, and Optax counts to 2**31 - 1 and stays there"
        fix = "give a total of at most 2**31, or count bigger updates"
        raise ScheduleError(f"schedule({shorten(rate.schedule)})", rule, fix)
    return rate


def _not_a_count(given: str) -> ScheduleError:
    rule = f"needs a whole number of updates, got {given}"
    return ScheduleError("schedule(…)(count)", rule, "give an int, or an array of int32")
