"""Feedback plans: an optimizer whose values follow what is measured between updates."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ratewise.adapters.optax import memory as _memory
from ratewise.adapters.optax.inject import Injected, precision_of, read_beside, read_injected
from ratewise.adapters.optax.rate import Rate
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import shorten, whole
from ratewise.schedule.lengths import Length
from ratewise.schedule.strict import strict

WINDOW = 16_384
ROOM = 4096
"""Bytes of memory at first; it doubles when they are full, and what was compiled, compiles anew."""


class ListenState(NamedTuple):
    """State of `listen`; arrays alone, so that it is saved and restored like any other.

    Attributes:
        count: Updates committed so far, int32.
        hyperparams: The values that the last update used, by argument of the optimizer (by group
            and argument where there are groups); before the first, those that it will use.
        inner_state: State of the optimizer.
        ahead: The values of updates first, first + 1, … if nothing more is observed; a tree like
            `hyperparams` of arrays of `window` elements.
        first: Update of the first element of `ahead`, int32.
        memory: The schedules and what they were shown, as the bytes of a JSON text, uint8.
    """

    count: Any
    hyperparams: Any
    inner_state: Any
    ahead: Any
    first: Any
    memory: Any


@strict
def listen(
    plan: Plan | Schedule | str,
    factory: Callable[..., optax.GradientTransformation],
    *,
    warmup: Length | None = None,
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
        plan: A plan, a schedule of the rate, the text of either, or a name, as of `inject`; without
            a `Function`.
        factory: What makes the optimizer, `optax.adamw`.
        warmup: Length of the warm-up that a name begins with.
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
    given, rest = read_beside("listen", plan, factory, warmup, fixed)
    injected = read_injected(
        "listen", given, factory, horizon, start, labels, rest, check=_check_written
    )
    feedback = _InjectedFeedback(injected, ahead)
    return optax.GradientTransformationExtraArgs(feedback.init, feedback.update)


@strict
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
    return _within(opt_state, lambda state: _told(state, shown), "observe(opt_state)")


@strict
def replay(opt_state: Any) -> Plan:
    """Return the open-loop plan that a run has followed so far, peaks included.

    Raises:
        ScheduleError: nothing in the state listens, or several optimizers do.
    """
    found = _states(opt_state, "replay(opt_state)")
    if len(found) > 1:
        fix = "give the part of the state that you mean"
        raise ScheduleError("replay(opt_state)", f"found {len(found)} that listen", fix)
    groups: dict[str, _memory.Memory] = {}
    for place, entry in _memory.entries(_memory.read(found[0])).items():
        group, _, name = place.rpartition("/")
        groups.setdefault(group, {})["lr" if name == "learning_rate" else name] = entry
    plans = {group: _memory.followed(entries) for group, entries in groups.items()}
    first = next(iter(plans.values()))
    return first if "" in plans else dataclasses.replace(first, groups=plans)


@strict
def finished(opt_state: Any) -> bool:
    """Whether a schedule that finds its own length has come to the end of the run.

    Raises:
        ScheduleError: nothing in the state listens.
    """
    return any(
        _memory.feedback_of(_memory.read(state)).stops(int(state.count))
        for state in _states(opt_state, "finished(opt_state)")
    )


@dataclasses.dataclass(frozen=True)
class _InjectedFeedback:
    """An optimizer made anew at each update with values that are looked up, `window` ahead."""

    injected: Injected
    window: int

    def init(self, params: Any) -> ListenState:
        injected = self.injected
        grouped = injected.labels is not None
        table = injected.table(params, _memory.entry_of)
        memory = {"window": self.window, "grouped": grouped, "table": table}
        ahead = _memory.ahead(memory, injected.start, precision_of(params))
        values = jax.tree.map(lambda table: table[0], ahead)
        inner = injected.optimizer(values, params).init(params)
        # Two arrays: a buffer that is there twice cannot be donated.
        count, first = (jnp.asarray(injected.start, jnp.int32) for _ in range(2))
        return ListenState(count, values, inner, ahead, first, _memory.pack(memory, ROOM))

    def update(
        self, updates: Any, state: Any, params: Any = None, **extra: Any
    ) -> tuple[Any, ListenState]:
        at = jnp.clip(state.count - state.first, 0, self.window - 1)
        values = jax.tree.map(lambda table: table[at], state.ahead)
        return self.injected.step(values, updates, state, params, extra)


def _check_written(rate: Rate) -> Rate:
    rate.schedule.to_dict()  # refuses a Function, which the state could not hold
    return rate


def _told(state: ListenState, metrics: Mapping[str, Any]) -> ListenState:
    """Return the state after `metrics` were measured behind its last update."""
    memory = _memory.read(state)
    t, first = int(state.count), int(state.first)
    if t > first + memory["window"]:
        rule = f"was shown nothing for {t - first:,} updates, and looks {memory['window']:,} ahead"
        fix = f"evaluate more often, or give listen(…, window={2 * (t - first)})"
        raise ScheduleError("observe(opt_state)", rule, fix)
    shown = {str(name): _number(value) for name, value in metrics.items()}
    feedback = _memory.feedback_of(memory)
    feedback.observe(t, shown)
    for at, state_now in feedback.states().items():
        _memory.entries(memory)[at]["heard"] = state_now
    dtype: Any = jax.tree.leaves(state.ahead)[0].dtype
    ahead = _memory.ahead(memory, t, dtype)
    packed = _memory.pack(memory, state.memory.shape[0])
    new = {"ahead": ahead, "first": jnp.asarray(t, jnp.int32), "memory": packed}
    return state._replace(**{name: _held(getattr(state, name), one) for name, one in new.items()})


def _held(old: Any, new: Any) -> Any:
    """Return arrays in what holds those of a state: a variable of Flax, or nothing around them."""
    return jax.tree.unflatten(jax.tree.structure(old), jax.tree.leaves(new))


def _number(value: Any) -> Any:
    return np.asarray(value).item() if getattr(value, "size", 2) == 1 else value


def _within(opt_state: Any, change: Callable[[ListenState], Any], who: str) -> Any:
    """Return a tree of states in which each of a listening optimizer was changed."""
    count = 0

    def is_listening(node: Any) -> bool:
        return isinstance(node, ListenState)

    def each(node: Any) -> Any:
        nonlocal count
        if not is_listening(node):
            return node
        count += 1
        inner = jax.tree.map(each, node.inner_state, is_leaf=is_listening)
        return change(node._replace(inner_state=inner))

    new = jax.tree.map(each, opt_state, is_leaf=is_listening)
    if not count:
        fix = "make the optimizer with ratewise.optax.listen(plan, optax.adamw, …)"
        raise ScheduleError(who, "found no schedule that listens in this state", fix)
    return new


def _states(opt_state: Any, who: str) -> list[ListenState]:
    found: list[ListenState] = []
    _within(opt_state, lambda state: found.append(state) or state, who)
    return found
