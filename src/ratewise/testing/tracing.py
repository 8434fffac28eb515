"""The rates that a run really used, update by update, and whether they are the ones meant."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ratewise._arrays import Floats
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.strict import strict
from ratewise.testing.frameworks import (
    innermost,
    is_trainer,
    keras_callback,
    listen_to_lightning,
    listen_to_transformers,
)
from ratewise.testing.guard import RateGuard


@dataclasses.dataclass
class Trace:
    """What a run used.

    Attributes:
        rates: For each committed update, the value of the key in every group of the optimizer.
        guard: What looks at each as it comes, or None.
    """

    rates: list[list[float]] = dataclasses.field(default_factory=list[list[float]])
    guard: RateGuard | None = dataclasses.field(default=None, repr=False)

    def record(self, *values: float) -> None:
        """Note the values that one committed update used, one for each group."""
        self.rates.append([float(value) for value in values])
        if self.guard is not None:
            self.guard.record(*values)

    def callback(self, key: str = "lr") -> Any:
        """Return a Keras callback that records each committed update of `fit`.

        Args:
            key: What to record, as a plan names it: "lr", "momentum".
        """
        return keras_callback(self.record, key)

    def group(self, index: int = 0) -> Floats:
        """Return what one group used, float64[updates]."""
        return np.array([row[index] for row in self.rates if index < len(row)])

    def check(
        self,
        meant: Schedule | Plan | ArrayLike,
        lr: float | None = None,
        *,
        total: int | None = None,
        start: int = 0,
        group: int = 0,
        rtol: float = 0.0,
    ) -> None:
        """Check that a run used the rates that were meant.

        Args:
            meant: A schedule (with `lr`), a plan that knows its peak, or rates, float64[updates].
            lr: The rate at level 1.
            total: Updates of the whole run, to resolve the schedule with.
            start: Update at which the recording began.
            group: Index of the group.
            rtol: Relative tolerance; 0 for equality.

        Raises:
            AssertionError: they differ; the message names the first update and the likely cause.
            ScheduleError: nothing was recorded, or a rate at level 1 is missing.
        """
        used = self.group(group)
        if not used.size:
            fix = "train inside `with trace(optimizer) as run:`"
            raise ScheduleError("Trace.check", "finds no update", fix)
        wanted = _wanted(meant, lr, total, len(used) + start)[start : start + len(used)]
        if len(wanted) < len(used):
            raise AssertionError(f"{len(used)} updates were made, {len(wanted)} were meant")
        near = np.abs(used - wanted) <= rtol * np.abs(wanted)
        if not near.all():
            t = int(np.argmin(near))
            raise AssertionError(_difference(used, wanted, t, start))


def _wanted(meant: Any, lr: float | None, total: int | None, n: int) -> Floats:
    if isinstance(meant, Plan):
        return meant.rates(total)
    if isinstance(meant, Schedule):
        if lr is None:
            raise ScheduleError("Trace.check", "has no rate at level 1", "give lr=…")
        return lr * meant.resolve(total).values(n)
    return np.asarray(meant, dtype=np.float64)


def _difference(used: Floats, wanted: Floats, t: int, start: int) -> str:
    said = f"update {start + t} used {float(used[t])!r}, meant was {float(wanted[t])!r}"
    if t + 1 < len(used) and len(used) > 2 and np.allclose(used[1:], wanted[:-1], rtol=1e-9):
        return f"{said}: the whole run is one update late"
    if len(used) > 2 and np.allclose(used[:-1], wanted[1:], rtol=1e-9):
        return f"{said}: the whole run is one update early"
    ratio = used / np.where(wanted == 0, np.nan, wanted)
    if np.nanmax(ratio) - np.nanmin(ratio) <= 1e-9 * abs(float(np.nanmax(ratio))):
        return f"{said}: all rates are {float(np.nanmax(ratio)):g} times those meant"
    return said


@strict
@contextmanager
def trace(source: Any, key: str = "lr", *, guard: RateGuard | None = None) -> Generator[Trace]:
    """Record what each committed update of a run uses, whoever sets it.

    Works on a PyTorch optimizer (or one wrapped by Accelerate or Lightning), whatever trainer
    drives it; on a `Trainer` of Transformers or Lightning, before its optimizer is there; and on
    nothing (`None`), for `fit(callbacks=[run.callback()])` in Keras, and for loops that `record`
    by themselves, such as `run.record(current_rate(opt_state))` with Optax.

    Args:
        source: What is trained.
        key: Key of the optimizer's groups.
        guard: What looks at every rate as it is recorded, and warns at the first that departs.

    Raises:
        ScheduleError: it is none of these.

    >>> with trace(None) as run:
    ...     run.record(0.1)
    >>> run.check([0.1])
    """
    run = Trace(guard=guard)
    with ExitStack() as stack:
        _start(source, key, run, stack)
        yield run


def _start(source: Any, key: str, run: Trace, stack: ExitStack) -> None:
    def listen(optimizer: Any, stack: ExitStack) -> None:
        _listen_to_torch(optimizer, key, run, stack)

    if source is None:
        return
    if is_trainer(source, "transformers."):
        listen_to_transformers(source, listen, stack)
    elif is_trainer(source, "lightning.") or is_trainer(source, "pytorch_lightning."):
        listen_to_lightning(source, listen, stack)
    elif hasattr(innermost(source), "register_step_post_hook"):
        listen(innermost(source), stack)
    else:
        rule = "needs an optimizer or a trainer"
        fix = "give one of PyTorch, or None and record by hand; Keras has run.callback()"
        raise ScheduleError("trace", rule, fix, given=innermost(source))


def _listen_to_torch(optimizer: Any, key: str, run: Trace, stack: ExitStack) -> None:
    under_way = False

    def before(stepping: Any, args: Any, kwargs: Any) -> None:
        nonlocal under_way
        under_way = True

    def after(stepped: Any, args: Any, kwargs: Any) -> None:
        nonlocal under_way
        if stepped is not optimizer:  # a wrapper that shares its hooks, as of older Lightning
            return
        found = getattr(optimizer, "found_inf", None)
        if under_way and (found is None or not bool(found.any())):
            run.record(*(group[key] for group in optimizer.param_groups if key in group))
        under_way = False  # a step that calls the hooked step of its base class is one update

    stack.callback(optimizer.register_step_pre_hook(before).remove)
    stack.callback(optimizer.register_step_post_hook(after).remove)
