"""Schedules in JAX: what Optax calls a schedule, and plans for whole optimizers.

    tx = optax.adamw(schedule(Warmup("5%") >> Cosine(to=0.1), lr=3e-4, total=10_000))
    tx = inject(plan, optax.adamw, total=10_000)
    tx = listen(Warmup(500) >> Plateau(), optax.adamw, learning_rate=3e-4, total=10_000)

In all of them the clock is Optax's own count of committed updates, so micro-batches of
`MultiSteps` and updates that `apply_if_finite` skips do not advance it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ratewise._extras import require

require("jax", extra="jax")
require("optax", extra="jax")

import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402

from ratewise.adapters.optax import states  # noqa: E402
from ratewise.adapters.optax.feedback import finished, listen, observe, replay  # noqa: E402
from ratewise.adapters.optax.feedback_state import ListenState  # noqa: E402
from ratewise.adapters.optax.inject import Injected, PlanState, rates_of  # noqa: E402
from ratewise.adapters.optax.rate import LAST_COUNT, Rate, check_countable  # noqa: E402
from ratewise.adapters.optax.source import read_plan  # noqa: E402
from ratewise.schedule import Plan, Schedule, ScheduleError  # noqa: E402
from ratewise.schedule.errors import number, shorten, whole  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "ListenState",
    "PlanState",
    "Rate",
    "current_rate",
    "finished",
    "inject",
    "listen",
    "observe",
    "replay",
    "schedule",
]


def schedule(
    s: Schedule | Plan | str,
    lr: float | None = None,
    *,
    total: int | str | None = None,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    start: int = 0,
    double: bool = True,
) -> Rate:
    """Return a schedule as Optax takes it: a callable from a count of updates to a rate.

    rate(count) = lr · level(start + count)

    It can be jitted, mapped, scanned, differentiated around, compared, hashed and pickled, and it
    holds no array. An int or a numpy array gives float64; an array of JAX gives JAX's own float,
    computed in float64 and rounded once.

    Args:
        s: A schedule, a plan of the rate alone, or the text of either.
        lr: Rate at level 1, in [0, inf); left out, the plan's own peak.
        total: Updates in the run, at most 2**31; needed if lengths are shares of it or open.
        epoch: Updates in an epoch.
        samples: Samples in an update.
        tokens: Tokens in an update.
        start: Updates that were committed before Optax's count began, for a run that goes on with
            a new optimizer state. 0 for one that restores its state.
        double: Whether to compute in float64 even where `jax_enable_x64` is off; False for a
            device that has none. Before JAX 0.8 it cannot be done and float32 is used.

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
    plan = read_plan("schedule", s)
    if plan.groups or list(plan.schedules()) != ["lr"]:
        fix = "write inject(plan, optax.adamw), or give one schedule"
        raise ScheduleError("schedule(plan)", "got a plan of more than the rate", fix)
    peak = plan.peak.get("lr") if lr is None else number(f"schedule(lr={shorten(lr)})", "lr", lr)
    if peak is None:
        raise ScheduleError("schedule(…)", "has no rate at level 1", "give lr=3e-4")
    horizon = {"epoch": epoch, "samples": samples, "tokens": tokens}
    resolved = plan.schedules()["lr"].resolve(total, **horizon)
    begun = whole(f"schedule(start={shorten(start)})", "start", start)
    return check_countable(Rate(resolved, peak, begun, bool(double)))


def inject(
    plan: Plan | Schedule | str,
    factory: Callable[..., optax.GradientTransformation],
    *,
    total: int | str | None = None,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    start: int = 0,
    labels: Any = None,
    double: bool = True,
    **fixed: Any,
) -> optax.GradientTransformationExtraArgs:
    """Return an optimizer whose hyperparameters follow a plan, all by one count of updates.

    value(t) = peak · level(t), where the peak is the plan's, or else what `fixed` says, or else
    the default of `factory`. `lr` is Optax's `learning_rate`, `momentum` is `b1` where there is
    one, `betas[1]` is `b2`; other keys are arguments of `factory` by name. The state is a
    `PlanState`: it holds the count and the values that the last update used.

    Args:
        plan: A plan, a schedule of the rate, or the text of either.
        factory: What makes the optimizer, `optax.adamw`.
        total: Updates in the run, at most 2**31; needed if lengths are shares of it or open.
        epoch: Updates in an epoch.
        samples: Samples in an update.
        tokens: Tokens in an update.
        start: Updates that were committed before a fresh state; a restored state has its own count.
        labels: Group of each parameter: a tree of names, or a function that gives one for the
            parameters, as of `optax.partition`. A group that the plan does not name follows the
            plan's own schedules.
        double: As of `schedule`.
        **fixed: Arguments of `factory` that do not change.

    Raises:
        ScheduleError: lengths that do not fit, a key or group that is not there, no peak.

    >>> import jax.numpy as jnp, optax, ratewise as rw
    >>> plan = rw.Plan(lr=rw.Warmup(4), weight_decay=rw.Linear(to=0), peak={"lr": 3e-4})
    >>> optimizer = inject(plan, optax.adamw, total=100, weight_decay=0.1)
    >>> state = optimizer.init(jnp.ones(3))
    >>> sorted(state.hyperparams)
    ['learning_rate', 'weight_decay']
    """
    given = read_plan("inject", plan)
    given = given.resolve(total, epoch=epoch, samples=samples, tokens=tokens)
    begun = whole(f"inject(start={shorten(start)})", "start", start, high=LAST_COUNT)
    if given.groups and labels is None:
        fix = "give labels=, a tree of group names like the parameters"
        raise ScheduleError("inject(plan, …)", "got a plan with groups and no labels", fix)
    groups: Mapping[str, Any] = given.groups
    own = {name: rates_of(given, part, factory, fixed, double) for name, part in groups.items()}
    default = rates_of(given, None, factory, fixed, double)
    injected = Injected(factory, fixed, default, own, labels, begun)
    return optax.GradientTransformationExtraArgs(injected.init, injected.update)


def current_rate(
    opt_state: Any,
    rate: Callable[[Any], Any] | None = None,
    *,
    key: str = "lr",
    group: str | None = None,
) -> Any:
    """Return the rate that the last update used; before the first, the rate that it will use.

    It is looked up wherever it is nested, in a state of `inject`, of `optax.inject_hyperparams`,
    or, given the schedule, of an optimizer that was made with it.

    Args:
        opt_state: State of an optimizer, or a train state of Flax that holds one.
        rate: The schedule inside the optimizer, for a state that holds a count and no rate.
        key: What to look up, "lr" unless told otherwise.
        group: Label of a group, where `optax.partition` or `labels` made several.

    Raises:
        ScheduleError: no rate is found, or several.

    >>> import jax.numpy as jnp, optax, ratewise as rw
    >>> rate = schedule(rw.Linear(to=0), lr=0.5, total=4)
    >>> optimizer = optax.sgd(rate)
    >>> state = optimizer.init(jnp.ones(3))
    >>> float(current_rate(state, rate))
    0.5
    """
    who = f"current_rate(opt_state, key={key!r})"
    if rate is not None and (isinstance(rate, Schedule) or not callable(rate)):
        rule = "needs what the optimizer was made with"
        raise ScheduleError(who, rule, "give schedule(…, lr=…)", given=rate)
    found = states.rates(opt_state, key)
    kept = {path for path, _ in found}
    counted = [(p, n) for p, n in states.counts(opt_state) if p not in kept and key == "lr"]
    if not found and not counted:
        fix = "make the optimizer with inject(…), optax.inject_hyperparams or a schedule"
        raise ScheduleError(who, "found no rate and no count of a schedule", fix)
    if not found and rate is None:
        fix = "give the schedule, current_rate(opt_state, rate), or make it with inject(…)"
        raise ScheduleError(who, "found a count of updates and no rate", fix)
    if rate is not None:
        found += [(path, rate(jnp.maximum(count - 1, 0))) for path, count in counted]
    return states.choose(found, who, group)
