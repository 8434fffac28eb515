"""The transformation that gives every update of an optimizer the values of a plan."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ratewise.adapters.arguments import HorizonOf
from ratewise.adapters.optax.current_rate import ALIASES
from ratewise.adapters.optax.rate import LAST_COUNT, Rate, check_countable
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import nearest, number, shorten, speaking, whole
from ratewise.schedule.familiar import read_named
from ratewise.schedule.given import read_plan
from ratewise.schedule.lengths import Length
from ratewise.schedule.meant import entry_for
from ratewise.schedule.strict import strict

RateTable = dict[str, Rate]


class PlanState(NamedTuple):
    """State of `inject`.

    Attributes:
        count: Updates committed so far, int32; at 2**31 - 1 it stays there.
        hyperparams: The values that the last update used, by argument of the optimizer (by group
            and argument where there are groups); before the first, those that it will use.
        inner_state: State of the optimizer.
    """

    count: Any
    hyperparams: Any
    inner_state: Any


@dataclass(frozen=True)
class Injected:
    """An optimizer made anew, at each update, with the values of that update.

    Attributes:
        factory: What makes the optimizer.
        fixed: Its arguments that are not scheduled.
        default: RateTable by argument, of all groups that have none of their own.
        groups: The same, for groups by name.
        labels: Tree of group names, or what gives one for a tree of parameters; None: no groups.
        start: Updates committed before the first.
    """

    factory: Callable[..., Any]
    fixed: Mapping[str, Any]
    default: RateTable
    groups: Mapping[str, RateTable]
    labels: Any
    start: int

    def init(self, params: Any) -> PlanState:
        """Return the state before the first update."""
        count = jnp.asarray(self.start, jnp.int32)
        values = self.values(count, params, precision_of(params))
        return PlanState(count, values, self.optimizer(values, params).init(params))

    def update(
        self, updates: Any, state: Any, params: Any = None, **extra: Any
    ) -> tuple[Any, PlanState]:
        """Return the updates of the optimizer, and the state in which this one is counted."""
        last: Any = jax.tree.leaves(state.hyperparams)
        dtype = jnp.result_type(last[0]) if last else None
        count = jnp.asarray(state.count)  # of numpy, where a checkpoint was read outside of jit
        return self.step(self.values(count, updates, dtype), updates, state, params, extra)

    def step(
        self, values: Any, updates: Any, state: Any, params: Any, extra: Mapping[str, Any]
    ) -> tuple[Any, Any]:
        """Return the updates with these values, and the state in which this one is counted."""
        inner = optax.with_extra_args_support(self.optimizer(values, updates))
        new, inner_state = inner.update(updates, state.inner_state, params, **extra)
        new, inner_state = _like(new, updates), _like(inner_state, state.inner_state)
        count = jnp.minimum(state.count, LAST_COUNT - 1) + 1
        return new, state._replace(count=count, hyperparams=values, inner_state=inner_state)

    def values(self, count: Any, tree: Any, dtype: Any) -> Any:
        """Return the values of update `count`, in the precision in which they are used."""
        return self.table(tree, lambda rate: rate(count).astype(dtype))

    def table(self, tree: Any, read: Callable[[Rate], Any]) -> Any:
        """Return what is read from each rate, by argument, or by group and argument."""

        def of(rates: RateTable) -> dict[str, Any]:
            return {name: read(rate) for name, rate in rates.items()}

        if self.labels is None:
            return of(self.default)
        return {name: of(self.rates_of(str(name))) for name in self.names(tree)}

    def rates_of(self, label: str) -> RateTable:
        """Return the rates of the group that a label means, by its name or a pattern."""
        entry = entry_for(self.groups, label)
        return self.default if entry is None else self.groups[entry]

    def optimizer(self, values: Any, tree: Any) -> Any:
        """Return the optimizer with these values."""
        if self.labels is None:
            return self.factory(**{**self.fixed, **values})
        parts = {name: self.factory(**{**self.fixed, **own}) for name, own in values.items()}
        partition = getattr(optax, "partition", None) or optax.multi_transform  # its older name
        return partition(parts, self.labels)

    def names(self, tree: Any) -> list[str]:
        """Return the names of the groups of a tree; each of the plan's must be among them."""
        labels = self.labels(tree) if callable(self.labels) else self.labels
        names: list[Any] = sorted(set(jax.tree.leaves(labels)), key=str)
        known = [str(name) for name in names]
        for name in self.groups:
            if not any(entry_for([name], label) for label in known):
                rule = "is not a label of any parameter"
                raise ScheduleError(f"group {name!r}", rule, nearest(name, known))
        return names


@strict
def inject(
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
    double: bool = True,
    **fixed: Any,
) -> optax.GradientTransformationExtraArgs:
    """Return an optimizer whose hyperparameters follow a plan, all by one count of updates.

    value(t) = peak · level(t), where the peak is the plan's, or else what `fixed` says, or else
    the default of `factory`. `lr` is Optax's `learning_rate`, `momentum` is `b1` where there is
    one, `betas[1]` is `b2`; other keys are arguments of `factory` by name. The state is a
    `PlanState`: it holds the count and the values that the last update used.

    Args:
        plan: A plan, a schedule of the rate, the text of either, or a name that is known elsewhere,
            such as "cosine"; what it takes there may be given beside it.
        factory: What makes the optimizer, `optax.adamw`.
        warmup: Length of the warm-up that a name begins with.
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
        ScheduleError: lengths that do not fit, a key or group that is not there, no peak, a name
            that means several things.

    >>> import jax.numpy as jnp, optax, ratewise as rw
    >>> plan = rw.Plan(lr=rw.Warmup(4), weight_decay=rw.Linear(to=0), peak={"lr": 3e-4})
    >>> optimizer = inject(plan, optax.adamw, total=100, weight_decay=0.1)
    >>> state = optimizer.init(jnp.ones(3))
    >>> sorted(state.hyperparams)
    ['learning_rate', 'weight_decay']
    """
    horizon = {"total": total, "epoch": epoch, "samples": samples, "tokens": tokens}
    given, rest = read_beside("inject", plan, factory, warmup, fixed)
    injected = read_injected("inject", given, factory, horizon, start, labels, rest, double=double)
    return optax.GradientTransformationExtraArgs(injected.init, injected.update)


def read_beside(
    who: str, plan: Any, factory: Any, warmup: Any, fixed: Mapping[str, Any]
) -> tuple[Schedule | Plan, dict[str, Any]]:
    """Return the schedule that a name means with what is given beside it, and the rest of that.

    What the name takes is the name's; a warm-up beside anything else is the optimizer's, if it has
    an argument of that name.

    Raises:
        ScheduleError: as of `read_named`.
    """
    given = {key: value for key, value in fixed.items() if value is not None}
    given |= {} if warmup is None else {"warmup": warmup}
    own = {"warmup"} & _parameters(who, factory).keys()
    named = isinstance(plan, str) and "(" not in plan
    kept = {} if named else {key: given.pop(key) for key in own if key in given}
    value, left = read_named(who, plan, f"write {who}(Cosine(to=0), …)", given)
    return value, {**{k: v for k, v in fixed.items() if v is None}, **left, **kept}


def read_injected(
    who: str,
    plan: Plan | Schedule | str,
    factory: Callable[..., Any],
    horizon: Mapping[str, Any],
    start: int,
    labels: Any,
    fixed: Mapping[str, Any],
    *,
    double: bool = True,
    check: Callable[[Rate], Rate] = check_countable,
) -> Injected:
    """Return the optimizer that `inject` or `listen` was asked for; arguments as theirs."""
    given = read_plan(f"{who}(…)", plan, f"write {who}(Cosine(to=0), …)")
    with speaking(HorizonOf(adapter=who)):
        given = given.resolve(**horizon)
    begun = whole(f"{who}(start={shorten(start)})", "start", start, high=LAST_COUNT)
    if given.groups and labels is None:
        fix = "give labels=, a tree of group names like the parameters"
        raise ScheduleError(f"{who}(plan, …)", "got a plan with groups and no labels", fix)

    known = _arguments(who, factory, fixed)

    def rates(part: Plan) -> RateTable:
        schedules = {**given.schedules(), **part.schedules()}
        peaks = {**given.peak, **part.peak}
        found: RateTable = {}
        for key, schedule in schedules.items():
            name = _argument(key, known, factory)
            if name in found:
                rule = f"schedules {name} a second time"
                raise ScheduleError(f"Plan({key}=…)", rule, "leave one of them out")
            peak = _peak(who, key, name, peaks.get(key), known[name])
            found[name] = check(Rate(schedule, peak, double=double))
        return found

    groups = {name: rates(part) for name, part in given.groups.items()}
    return Injected(factory, fixed, rates(given), groups, labels, begun)


def precision_of(params: Any) -> Any:
    """Return the precision of hyperparameters: float32, or float64 where a parameter has it."""
    wide = any(jnp.result_type(leaf) == jnp.float64 for leaf in jax.tree.leaves(params))
    return jnp.float64 if wide else jnp.float32


def _like(new: Any, old: Any) -> Any:
    """Return a tree in the precisions of another: small floats times a rate would grow to its."""

    def cast(n: Any, o: Any) -> Any:
        kind = getattr(o, "dtype", None)
        same = kind is None or n.dtype == kind or not jnp.issubdtype(kind, jnp.floating)
        return n if same else n.astype(kind)

    return jax.tree.map(cast, new, old)


def _parameters(who: str, factory: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):
        rule = "needs what makes an optimizer"
        fix = f"write {who}(plan, optax.adamw)"
        raise ScheduleError(f"{who}(…, {shorten(factory)})", rule, fix) from None


def _arguments(who: str, factory: Any, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of what makes an optimizer, each with what it is here."""
    known = {name: parameter.default for name, parameter in _parameters(who, factory).items()}
    for name in fixed:
        if name not in known:
            rule = f"does not take {name}={shorten(fixed[name])}"
            raise ScheduleError(_called(factory), rule, nearest(name, known))
    return {**known, **fixed}


def _argument(key: str, known: Mapping[str, Any], factory: Any) -> str:
    """Return what an optimizer calls a key of a plan."""
    for name in (*ALIASES.get(key, ()), key):
        if name in known:
            return name
    rule = f"has no {' or '.join(ALIASES.get(key, (key,)))} to schedule"
    raise ScheduleError(_called(factory), rule, nearest(key, known))


def _called(factory: Any) -> str:
    inner = getattr(factory, "func", factory)  # of functools.partial
    return getattr(inner, "__name__", None) or shorten(factory)


def _peak(who: str, key: str, name: str, peak: float | None, given: Any) -> float:
    if peak is not None:
        return peak
    if given is None or given is inspect.Parameter.empty:
        fix = f"give Plan(…, peak={{{key!r}: 3e-4}}), or {who}(…, {name}=3e-4)"
        raise ScheduleError(f"Plan({key}=…)", "has no peak", fix)
    value = number(f"{who}(…, {name}={shorten(given)})", name, given)
    if not value:
        fix = f"give Plan(…, peak={{{key!r}: …}}), or {who}(…, {name}=…)"
        raise ScheduleError(f"Plan({key}=…)", f"scales {name}=0, which stays 0", fix)
    return value
