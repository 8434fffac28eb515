"""The rate: what Optax calls a schedule, as a frozen value."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ratewise.adapters.arguments import HorizonOf, only_rate, refuse_unknown
from ratewise.schedule import Function, Plan, Schedule, ScheduleError
from ratewise.schedule.errors import number, shorten, speaking, whole
from ratewise.schedule.familiar import read_named
from ratewise.schedule.given import read_plan
from ratewise.schedule.lengths import Length
from ratewise.schedule.strict import strict
from ratewise.schedule.track import Track

LAST_COUNT = 2**31 - 1
"""Where the int32 counters of Optax stop."""

UNTRACEABLE = (
    jax.errors.ConcretizationTypeError,  # of which the one about bool is a kind
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


@strict
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


@strict
def schedule(
    s: Schedule | Plan | str,
    lr: float | None = None,
    *,
    warmup: Length | None = None,
    total: int | str | None = None,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    start: int = 0,
    double: bool = True,
    **unknown: Any,
) -> Rate:
    """Return a schedule as Optax takes it: a callable from a count of updates to a rate.

    rate(count) = lr · level(start + count)

    It can be jitted, mapped, scanned, differentiated around, compared, hashed and pickled, and it
    holds no array. An int or a numpy array gives float64; an array of JAX gives JAX's own float,
    computed in float64 and rounded once.

    Args:
        s: A schedule, a plan of the rate alone, the text of either, or a name that is known
            elsewhere, such as "cosine", with what it takes there.
        lr: Rate at level 1, in [0, inf); left out, the plan's own peak.
        warmup: Length of the warm-up that a name begins with.
        total: Updates in the run, at most 2**31; needed if lengths are shares of it or open.
        epoch: Updates in an epoch.
        samples: Samples in an update.
        tokens: Tokens in an update.
        start: Updates that were committed before Optax's count began, for a run that goes on with
            a new optimizer state. 0 for one that restores its state.
        double: Whether to compute in float64 even where `jax_enable_x64` is off; False for a
            device that has none. Before JAX 0.8 it cannot be done and float32 is used.
        **unknown: Nothing; a misspelt argument is answered with the nearest one.

    Raises:
        ScheduleError: lengths that do not fit, no rate, a plan of more than the rate.

    >>> import optax, ratewise as rw
    >>> rate = schedule(rw.Warmup(4) >> rw.Cosine(to=0.1), lr=3e-4, total=100)
    >>> rate
    schedule(Warmup(4) >> Cosine(to=0.1, over=96), lr=0.0003)
    >>> rate(4)
    0.0003
    >>> optimizer = optax.adamw(rate)
    """
    fix = "write schedule(Cosine(to=0), …)"
    s, unknown = read_named("schedule", s, fix, {"warmup": warmup, **unknown})
    refuse_unknown("schedule", unknown, ["lr", "start", "double"])
    plan = read_plan("schedule(…)", s, fix)
    fix = "write inject(plan, optax.adamw), or give one schedule"
    alone = only_rate("schedule(plan)", plan, fix)
    peak = plan.peak.get("lr") if lr is None else number(f"schedule(lr={shorten(lr)})", "lr", lr)
    if peak is None:
        raise ScheduleError("schedule(…)", "has no rate at level 1", "give lr=3e-4")
    with speaking(HorizonOf(adapter="schedule")):
        resolved = alone.resolve(total, epoch=epoch, samples=samples, tokens=tokens)
    begun = whole(f"schedule(start={shorten(start)})", "start", start)
    return check_countable(Rate(resolved, peak, begun, bool(double)))


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
