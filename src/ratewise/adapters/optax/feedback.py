"""Feedback plans: an optimizer whose values follow what is measured between updates."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import optax

from ratewise.adapters.optax.feedback_state import (
    InjectedFeedback,
    entries,
    feedback_of,
    listener,
    read,
    schedule_of,
    states,
    told,
    uncounted,
    within,
)
from ratewise.adapters.optax.inject import read_injected
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import shorten, whole

WINDOW = 16_384


def listen(
    plan: Plan | Schedule | str,
    factory: Callable[..., optax.GradientTransformation],
    *,
    total: int | str | None = None,
    epoch: float | None = None,
    samples: float | None = None,
    tokens: float | None = None,
    start: int = 0,
    labels: Any = None,
    window: int = WINDOW,
    **fixed: Any,
) -> optax.GradientTransformationExtraArgs:
    """Return an optimizer whose hyperparameters follow a plan that listens to metrics.

    As `inject`, for schedules such as `Plateau`. Between updates, where metrics are measured
    anyway, show them to the state:

        opt_state = observe(opt_state, {"val_loss": loss})

    What was shown is in the state, a `ListenState` of arrays alone: it is jitted, saved and
    restored with everything else, in the middle of a patience too. The values until the next
    observation are looked up in it, so a decision compiles nothing anew. The state holds its
    schedules: one that was restored goes on with its own.

    Args:
        plan: A plan, a schedule of the rate, or the text of either; without a `Function`.
        factory: What makes the optimizer, `optax.adamw`.
        total: Updates in the run; needed if lengths are shares of it or open.
        epoch: Updates in an epoch.
        samples: Samples in an update.
        tokens: Tokens in an update.
        start: Updates that were committed before a fresh state.
        labels: Group of each parameter, as of `inject`.
        window: Updates that may pass between two observations, at least 1; each takes four bytes
            of the state.
        **fixed: Arguments of `factory` that do not change.

    Raises:
        ScheduleError: lengths that do not fit, a key or group that is not there, no peak, a
            `Function`.

    >>> import jax.numpy as jnp, optax, ratewise as rw
    >>> plateau = rw.Plateau("loss", factor=0.5, patience=0)
    >>> optimizer = listen(plateau, optax.sgd, learning_rate=0.5)
    >>> state = optimizer.init(jnp.ones(2))
    >>> for loss in (1.0, 1.0):
    ...     _, state = optimizer.update(jnp.ones(2), state)
    ...     state = observe(state, {"loss": loss})
    >>> _, state = optimizer.update(jnp.ones(2), state)
    >>> float(state.hyperparams["learning_rate"])
    0.25
    """
    ahead = whole(f"listen(window={shorten(window)})", "window", window, low=1)
    horizon = {"total": total, "epoch": epoch, "samples": samples, "tokens": tokens}
    injected = read_injected(
        "listen", plan, factory, horizon, start, labels, fixed, check=uncounted
    )
    feedback = InjectedFeedback(injected, ahead)
    return optax.GradientTransformationExtraArgs(feedback.init, feedback.update)


def observe(opt_state: Any, metrics: Mapping[str, Any] | None = None, /, **named: Any) -> Any:
    """Return the state of an optimizer after metrics were measured behind its last update.

    To be called on the host, between updates. A metric that is missing is no observation, NaN is
    no improvement and is recorded, names that no schedule waits for are passed over.

    Args:
        opt_state: State of an optimizer of `listen`, however nested: in `chain`, `MultiSteps`,
            `apply_if_finite`, a train state of Flax.
        metrics: What was measured, by name: numbers, or arrays of one element.
        **named: The same.

    Raises:
        ScheduleError: nothing in the state listens; a name that is waited for is not among those
            measured; a metric is no number; more updates went by than the state looks ahead.
    """
    shown = {**(metrics or {}), **named}
    return within(opt_state, lambda state: told(state, shown), "observe(opt_state)")


def replay(opt_state: Any) -> Plan:
    """Return the open-loop plan that a run has followed so far, peaks included.

    Raises:
        ScheduleError: nothing in the state listens, or several optimizers do.
    """
    found = states(opt_state, "replay(opt_state)")
    if len(found) > 1:
        fix = "give the part of the state that you mean"
        raise ScheduleError("replay(opt_state)", f"found {len(found)} that listen", fix)
    table = {place: _followed(entry) for place, entry in entries(read(found[0])).items()}
    groups: dict[str, dict[str, Any]] = {}
    for place, one in table.items():
        group, _, name = place.rpartition("/")
        groups.setdefault(group, {})[name] = one
    plans = {group: _plan(part) for group, part in groups.items()}
    if "" in plans:
        return plans[""]
    first = next(iter(plans.values()))
    return dataclasses.replace(first, groups=plans)


def finished(opt_state: Any) -> bool:
    """Whether a schedule that finds its own length has come to the end of the run.

    Raises:
        ScheduleError: nothing in the state listens.
    """
    return any(
        feedback_of(read(state)).stops(int(state.count))
        for state in states(opt_state, "finished(opt_state)")
    )


def _followed(entry: dict[str, Any]) -> tuple[Any, float]:
    feedback = entry["heard"] is not None
    return listener(entry).replayed() if feedback else schedule_of(entry), entry["peak"]


def _plan(part: dict[str, tuple[Any, float]]) -> Plan:
    """Return the plan of a group, the rate under its neutral name and others under Optax's."""
    names = {"learning_rate": "lr"}
    schedules = {names.get(name, name): schedule for name, (schedule, _) in part.items()}
    peaks = {names.get(name, name): peak for name, (_, peak) in part.items()}
    lr = schedules.pop("lr", None)
    decay = schedules.pop("weight_decay", None)
    return Plan(lr=lr, weight_decay=decay, keys=schedules, peak=peaks)
