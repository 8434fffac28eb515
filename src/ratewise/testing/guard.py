"""A guard beside a run: it warns at the first update that departs from the plan, not at the end."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from operator import le
from typing import TYPE_CHECKING, Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, one_of, whole
from ratewise.schedule.strict import strict
from ratewise.testing.frameworks import (
    guard_of_lightning,
    guard_of_transformers,
    innermost,
    keras_callback,
)

if TYPE_CHECKING:
    from ratewise.audit import Audit, Departure
    from ratewise.audit.intended import Intended

AHEAD = 4096
"""Updates whose bounds are computed at a time."""
KEPT = 4096
"""Updates behind the first departure whose rates are kept for an audit."""
BEFORE = 512
"""Updates before it that an audit is shown, all of which are as meant."""
DEVICE_EVERY = 100
"""Updates between two looks at a rate that is on an accelerator: each look waits for it."""
CALLBACKS = ("keras", "lightning", "transformers")


class RateWarning(UserWarning):
    """An update has used another rate than was meant."""


class RateGuard:
    """Watch the rate of every committed update, and warn at the first that departs from a plan.

    The warning, a `RateWarning`, comes while the run trains, says at which update it departs and
    by how much, and which mistakes would have done that, as far as one rate tells. With
    `warnings.simplefilter("error", RateWarning)` it ends the run. It costs less than 2 µs an
    update of PyTorch, and memory that does not grow.

    | framework | how |
    |---|---|
    | PyTorch, Accelerate | `guard.watch(optimizer)` |
    | Trainer of Transformers | `Trainer(…, callbacks=[guard.callback("transformers")])` |
    | Lightning | `Trainer(callbacks=[guard.callback("lightning")])` |
    | Keras | `model.fit(…, callbacks=[guard.callback("keras")])` |
    | Optax, any loop | `guard.record(current_rate(opt_state))` at each update |

    Args:
        plan: What is meant: whatever `audit` takes, a schedule, its text or file, a config, rates.
        total: Updates of the run.
        lr: Peak learning rate: a number, a list with one for each group, or a dict by name. Left
            out, it is the optimizer's own, so that a wrong one cannot be seen.
        start: Update at which the watching begins; a trainer that goes on with a run tells it.
        epoch: Updates in an epoch.
        samples: Samples in an update.
        tokens: Tokens in an update.

    Raises:
        ScheduleError: `start` is no count; the plan cannot be read, once the groups are known.

    >>> import warnings
    >>> guard = RateGuard("Linear(to=0)", total=10, lr=0.1)
    >>> guard.record(0.1)
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     guard.record(0.1)
    >>> print(guard.departed)
    update 1 has 0.1 in place of 0.09
    """

    @strict
    def __init__(
        self,
        plan: Any,
        *,
        total: int | str | None = None,
        lr: Any = None,
        start: int = 0,
        epoch: float | None = None,
        samples: float | None = None,
        tokens: float | None = None,
    ) -> None:
        self._plan, self._total, self._lr = plan, total, lr
        self._units = {"epoch": epoch, "samples": samples, "tokens": tokens}
        self._t = self._start = whole(Call("RateGuard", "start", start), "start", start)
        self._meant: Intended | None = None
        self._groups: tuple[str, ...] = ()
        self._single = self._lags = self._plain = False
        self._first = self._until = 0
        self._low: Sequence[Any] = ()
        self._high: Sequence[Any] = ()
        self._behind: list[tuple[float, ...]] = []
        self._stack = ExitStack()
        self._framework = ""
        self.departed: Departure | None = None
        """The first update that departs, or None so far."""
        self.causes: tuple[str, ...] = ()
        """Words of the mistakes that would have made that rate; none if it tells none."""

    @property
    def updates(self) -> int:
        """Committed updates so far, those before `start` among them."""
        return self._t

    # Where it listens -------------------------------------------------------------------------

    def watch(self, optimizer: Any, start: int | None = None) -> None:
        """Watch an optimizer of PyTorch, or one wrapped by Accelerate or Lightning.

        Args:
            optimizer: What is trained with.
            start: Updates made before, in place of those that the guard was made with.

        Raises:
            ScheduleError: it is no such optimizer, or the plan cannot be read.
        """
        inner = innermost(optimizer)
        if not hasattr(inner, "register_step_post_hook"):
            fix = "give an optimizer of PyTorch; Keras has callback('keras'), other loops record()"
            raise ScheduleError("RateGuard.watch", "needs an optimizer", fix, given=optimizer)
        self.close()
        if start is not None:
            self._t = self._start = start
        groups: list[dict[str, Any]] = inner.param_groups
        names = [str(group.get("name", i if len(groups) > 1 else "")) for i, group in
                 enumerate(groups)]  # fmt: skip
        self._begin(names, [group.get("initial_lr", group["lr"]) for group in groups])
        self._framework = self._framework or "torch"
        self._listen(inner)

    def _listen(self, optimizer: Any) -> None:
        under_way = False

        def before(stepping: Any, args: Any, kwargs: Any) -> None:
            nonlocal under_way
            under_way = True

        def after(stepped: Any, args: Any, kwargs: Any) -> None:
            nonlocal under_way
            if stepped is not optimizer or not under_way:  # a wrapper, or a step within a step
                return
            under_way = False
            if hasattr(optimizer, "found_inf") and self._skipped(optimizer.found_inf):
                return
            groups = optimizer.param_groups  # load_state_dict makes the list anew
            if len(groups) == 1:
                self.record(groups[0]["lr"])
            else:
                self.record(*[group["lr"] for group in groups])

        self._stack.callback(optimizer.register_step_pre_hook(before).remove)
        self._stack.callback(optimizer.register_step_post_hook(after).remove)

    def _skipped(self, found: Any) -> bool:
        """Whether a loss scale has skipped the update; on an accelerator that is not asked."""
        if found is None:
            return False
        if found.device.type != "cpu":
            self._lags = True
            return False
        return bool(found.any())

    def callback(self, framework: str) -> Any:
        """Return a callback for a trainer: "transformers", "lightning" or "keras".

        A run that is resumed is watched from the update on that the trainer says.

        Raises:
            ScheduleError: it is another framework.
            ImportError: the framework is not installed.
        """
        who = Call("RateGuard.callback", "framework", framework)
        self._framework = one_of(who, "is no trainer with callbacks", framework, CALLBACKS)
        if framework == "keras":
            return keras_callback(self.record, "lr", self._begin_at)
        return (guard_of_lightning if framework == "lightning" else guard_of_transformers)(self)

    def _begin_at(self, made: int) -> None:
        self._t = self._start = made

    def close(self) -> None:
        """Stop watching; what was found stays."""
        self._stack.close()

    # What it compares -------------------------------------------------------------------------

    def record(self, *rates: Any) -> None:
        """Look at the rates that one committed update used, one for each group."""
        i = self._t - self._first
        self._t += 1
        if 0 <= i < self._until:
            if len(rates) == 1:
                rate = rates[0]
                if rate.__class__ is float and self._low[i] <= rate <= self._high[i]:
                    return
            elif (
                self._plain
                and len(rates) == len(self._groups)
                and all(map(le, self._low[i], rates))
                and all(map(le, rates, self._high[i]))
            ):
                return
        self._look(rates)

    def _look(self, rates: tuple[Any, ...]) -> None:
        """Look at an update the long way."""
        t = self._t - 1
        if self.departed is not None:
            if len(self._behind) < KEPT:
                self._behind.append(tuple(map(_number, rates)))
            return
        if self._meant is None:
            names = [""] if len(rates) == 1 else [str(i) for i in range(len(rates))]
            self._begin(names, [float("nan")] * len(rates))
        assert self._meant is not None
        if not all(map(_on_host, rates)) and (t - self._start) % DEVICE_EVERY:
            return
        used = np.array([_number(rate) for rate in rates])
        if len(used) != len(self._groups):
            self._depart(
                t, used, f"has {len(used)} groups, and {len(self._groups)} were planned for"
            )
            return
        if not self._first <= t < self._first + self._until:
            self._bounds(t)
        if self._near(used, t):
            if self._meant.own and t >= self._meant.total:
                self._depart(t, used, "")
            return
        if self._lags and self._near(used, t - 1):  # the one before was skipped
            self._t -= 1
            return
        self._depart(t, used, "")

    def _near(self, used: Floats, t: int) -> bool:
        """Whether rates are those of an update, in the precision that they are kept in."""
        assert self._meant is not None
        meant = self._meant.at(np.array([max(t, 0)]))[0]
        if (np.abs(used - meant) <= self._slack(meant)).all():
            return True
        if self._single or (used != used.astype(np.float32)).any():
            return False
        if not (np.abs(used - meant) <= self._slack(meant, single=True)).all():
            return False
        self._single = True  # as Keras and JAX keep them
        self._bounds(t)
        return True

    def _slack(self, meant: Floats, single: bool = False) -> Floats:
        from ratewise.audit.evidence import OF_PEAK, RELATIVE, SINGLE, SINGLE_OF_PEAK

        assert self._meant is not None
        share, of_peak = (SINGLE, SINGLE_OF_PEAK) if single or self._single else (RELATIVE, OF_PEAK)
        return share * np.abs(meant) + of_peak * self._meant.highest

    def _bounds(self, t: int) -> None:
        """Compute between what the rates of the coming updates may be."""
        assert self._meant is not None
        count = max(min(AHEAD, self._meant.total - t), 0) if self._meant.own else AHEAD
        self._first, self._until = t, count
        meant = self._meant.at(np.arange(t, t + count))
        slack = self._slack(meant)
        low, high = meant - slack, meant + slack
        if low.shape[1] == 1:
            low, high = low[:, 0], high[:, 0]
        self._low, self._high = low.tolist(), high.tolist()

    def _begin(self, names: Sequence[str], own: Sequence[Any]) -> None:
        """Read the plan for the groups that there are."""
        from ratewise.audit.intended import intended
        from ratewise.audit.recorded import Recorded

        if len(set(names)) < len(names):
            names = [str(i) for i in range(len(names))]
        self._groups = tuple(names)
        seen = Recorded(self._groups, np.array([0]), np.ones((1, len(names))))
        meant = intended(self._plan, seen, total=self._total, lr=self._lr, **self._units)
        unknown = ~np.isfinite(meant.peaks)
        peaks = np.where(unknown, [_number(one) for one in own], meant.peaks)
        if not np.isfinite(peaks).all():
            raise ScheduleError("RateGuard", "has no rate at level 1", "give lr=…")
        self._meant = meant.with_peaks(peaks)
        self._plain = all(isinstance(one, float) for one in own)
        self._bounds(self._t)

    # What it says -----------------------------------------------------------------------------

    def _depart(self, t: int, used: Floats, rule: str) -> None:
        from ratewise.audit import Departure
        from ratewise.audit.fixes import fix_of
        from ratewise.testing.hints import hints_at

        assert self._meant is not None
        meant = self._meant.at(np.array([t]))[0]
        group = 0 if rule else int(np.argmax(np.abs(used - meant)))
        place = self._groups[group] if len(self._groups) > 1 else ""
        self.departed = Departure(t, t + 1, float(used[group]), float(meant[group]), place)
        self._behind.append(tuple(used.tolist()))
        hints = [] if rule else hints_at(self._meant, used, t, self._start, self._slack(used))
        self.causes = tuple(one.kind for one in hints)
        text = f"{self.departed}" if not rule else f"update {t:,} {rule}"
        said = [f"The run departs from the plan: {text}."]
        if hints:
            said.append("It may be " + ", or ".join(str(one) for one in hints) + ".")
            facts = {**hints[0].parameters, "meant": self._meant.total, "last": t + 1,
                     "peak": float(self._meant.peaks[group])}  # fmt: skip
            said.append(f"To mend it, {fix_of(hints[0].kind, self._framework, facts)}.")
        said.append("When it has made some more updates, audit() of this guard tells the cause.")
        warnings.warn(" ".join(said), RateWarning, stacklevel=4)

    def audit(self) -> Audit:
        """Return the audit of what was seen so far: the cause is surer, the more updates it was.

        Raises:
            ScheduleError: no update was seen.
        """
        from ratewise.audit import audit
        from ratewise.audit.recorded import Recorded

        if self._meant is None or self._t == self._start:
            raise ScheduleError("RateGuard.audit", "finds no update", "train with it first")
        right = self._t if self.departed is None else self.departed.update
        before = np.unique(np.linspace(self._start, right - 1, BEFORE).round().astype(np.int64))
        before = before[(before >= self._start) & (before < right)]
        wide = len(self._groups)
        behind = np.array([one for one in self._behind if len(one) == wide]).reshape(-1, wide)
        counts = np.concatenate([before, np.arange(right, right + len(behind))]) + 1
        rates = np.concatenate([self._meant.at(before), behind])
        facts: dict[str, Any] = {
            "kind": self._framework,
            **({"single": True} if self._single else {}),
        }
        digits = 7 if self._single else None
        seen = Recorded(self._groups, counts, rates, digits=digits, convention="this", facts=facts)
        peaks = dict(zip(self._groups, self._meant.peaks.tolist(), strict=True))
        lr = self._lr if self._lr is not None else peaks.get("", list(peaks.values()))
        told: dict[str, Any] = {"total": self._total, **self._units}
        return audit(seen, self._plan, lr=lr, logged="this", **told)


def _on_host(rate: Any) -> bool:
    device = getattr(rate, "device", None)
    return getattr(device, "type", "cpu") == "cpu" or not hasattr(rate, "fill_")


def _number(rate: Any) -> float:
    return float(rate)
