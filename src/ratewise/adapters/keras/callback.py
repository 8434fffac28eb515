"""The callback: a plan, attached to the optimizer of the model that is trained."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ratewise.adapters.arguments import HorizonOf, given, read_rate, refuse_unknown
from ratewise.adapters.keras.drive import Drive, attached, committed, innermost, rate_of
from ratewise.adapters.keras.feedback import RecordedFeedback, TracedFeedback
from ratewise.adapters.keras.keys import attributes, base_value
from ratewise.adapters.keras.past import PAST, tell, wasted
from ratewise.adapters.keras.traced import Traced
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import shorten, speaking
from ratewise.schedule.familiar import read_named
from ratewise.schedule.given import read_plan
from ratewise.schedule.lengths import Length
from ratewise.schedule.strict import strict

_CONTEXT = HorizonOf(adapter="Callback")
Values = dict[str, Traced | TracedFeedback]


class Callback(keras.callbacks.Callback):
    """Schedules the learning rate, momentum, weight decay and other numbers of an optimizer.

    value(t) = base · f(t), where base is the optimizer's own number and `t` counts the updates
    that it committed. After an update the optimizer's `learning_rate` is the rate that it used,
    and so is `logs["learning_rate"]`. The plan stays on the optimizer until `detach()`.

    A schedule that listens, such as `Plateau("val_loss")`, is shown the logs of each epoch under
    the names that Keras gives them; where it waits for a validation, the first epoch without one
    gives a warning. One that finds its own length ends the run. `replay()` is the open-loop plan
    that was followed. With `observations`, a run that is restored, by
    `BackupAndRestore` or from a saved model, goes on in the middle of a patience.

    Args:
        plan: A schedule (of the rate), a plan, the text of either, or a name that is known
            elsewhere, such as "cosine", with what it takes there.
        warmup: Length of the warm-up that a name begins with.
        lr: Rate at level 1, in (0, inf); left out, the plan's peak or the optimizer's own rate
            before its first update. A run that is resumed needs one of the first two.
        total: Updates in the run; left out, what `fit` is going to do, if lengths need it.
        epoch: Updates in an epoch; left out, what `fit` is going to do, if lengths need it.
        samples: Samples in an update.
        tokens: Tokens in an update.
        log_batches: Whether the logs of each batch have the rate too; it is read from the device.
        observations: File for what a schedule that listens was shown, one line of JSON
            for each evaluation; it belongs to the run's checkpoints.
        **unknown: Nothing; a misspelt argument is answered with the nearest one.

    Raises:
        ScheduleError: when `fit` begins, lengths that do not fit, an unknown key, an optimizer
            that has a schedule of its own, an epoch to begin with that the optimizer is not at,
            a run that is resumed and nobody knows what was heard; while it runs, something else
            that writes the rate, and behind the first evaluation a metric that is not measured.

    >>> Callback("Warmup(500) >> Cosine(to=0.1)", total=10_000)
    <Callback Warmup(500) >> Cosine(to=0.1)>
    """

    @strict
    def __init__(
        self,
        plan: Schedule | Plan | str,
        *,
        warmup: Length | None = None,
        lr: float | None = None,
        total: int | str | None = None,
        epoch: float | None = None,
        samples: float | None = None,
        tokens: float | None = None,
        log_batches: bool = False,
        observations: str | os.PathLike[str] | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__()
        fix = "write Callback(Cosine(to=0), …)"
        plan, unknown = read_named("Callback", plan, fix, {"warmup": warmup, **unknown})
        refuse_unknown("Callback", unknown, ["lr", "log_batches", "observations"])
        self.plan = read_plan("Callback", plan, fix)
        self._peak = read_rate("Callback", self.plan, lr)
        self._horizon = given(total=total, epoch=epoch, samples=samples, tokens=tokens)
        self._drive: Drive | None = None
        self._first_rate: float | None = None
        self._again = False  # whether this model has been trained before, since it was compiled
        self._begun = False
        self._last_rate: float | None = None
        self._observations = None if observations is None else _read_path(observations)
        self._feedback = RecordedFeedback({}, None)
        self._at = 0  # updates made when the epoch began
        self._told = False
        if log_batches:
            # Only then: Keras looks at whether this method is there to run steps ahead of logs.
            self.on_train_batch_end = self._log
        if "total" in self._horizon:
            with speaking(_CONTEXT):
                self.plan.resolve(**self._horizon)

    # What Keras calls -----------------------------------------------------------------------

    def set_model(self, model: Any) -> None:
        """Note the optimizer's rate before another callback restores a checkpoint."""
        super().set_model(model)
        optimizer = self._optimizer()
        fresh = committed(optimizer) == 0 and attached(optimizer) is None
        self._first_rate = rate_of(optimizer) if fresh else None
        self._again = getattr(model, "train_function", None) is not None

    def on_train_begin(self, logs: Any = None) -> None:
        optimizer = self._optimizer()
        values = self._values(optimizer)
        self._begun = False
        self._last_rate = None
        drive = attached(optimizer)
        if drive is not None and drive is self._drive and _same(drive.values, values):
            return  # attached by an earlier fit: the compiled step is as it should be
        self._drive = Drive(optimizer, values)
        names = attributes(self.plan, optimizer).items()
        traced = {key: one for key, at in names if isinstance(one := values[at], TracedFeedback)}
        self._feedback = RecordedFeedback(traced, self._observations)
        self._drive.attach()
        self._recompile()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        optimizer = self._optimizer()
        if attached(optimizer) is not self._drive:
            rule = "found another Callback of ratewise on this optimizer"
            raise ScheduleError("Callback", rule, "put both schedules into one Plan")
        if not self._begun:
            self._check_epoch(epoch, committed(optimizer))
            known = self._first_rate if committed(optimizer) == 0 else None
            self._last_rate = rate_of(optimizer) if known is None else known
            if self._feedback:
                self._feedback.begin(committed(optimizer))
        self._at = committed(optimizer) if self._feedback else 0
        self._begun = True

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if batch == 0:
            self._check_writers()
        if self._feedback:
            self._keep_up(batch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        optimizer = self._optimizer()
        t = committed(optimizer)
        self._last_rate = None if t == 0 else self._used("learning_rate", t, self._last_rate)
        self._check_writers()
        if self._feedback:
            self._feedback.show(t, logs)
            self._end_if(self._feedback.stops(t))
        self._tell_past_end(t)
        if t and self._window > 1 and self._drive and "learning_rate" in self._drive.values:
            optimizer.learning_rate = self._last_rate  # its last batches may be of a window to come
        self._log(epoch, logs)

    # Ours -----------------------------------------------------------------------------------

    def detach(self) -> None:
        """Take the plan off the optimizer, which keeps the rate that it has."""
        if self._drive is not None and self._model is not None:
            self._drive.detach()
            self._recompile()
        self._drive = None

    def replay(self) -> Plan:
        """Return the open-loop plan that the run has followed so far, resolved.

        Raises:
            ScheduleError: it was not in a run yet.
        """
        if self._drive is None:
            rule = "has followed nothing yet"
            raise ScheduleError("Callback.replay", rule, "give it to model.fit(…) first")
        return self._feedback.replayed(self._resolved(self._optimizer()))

    def _keep_up(self, batch: int) -> None:
        """See to it that values are there, and end a run that found its length in this batch."""
        optimizer = self._optimizer()
        t = self._at + batch // self._window
        self._feedback.keep_up(t)
        if getattr(self.model, "optimizer", None) is optimizer:  # no loss scale that skips
            self._end_if(self._feedback.stops(t + 1))

    @property
    def _window(self) -> int:
        """Batches of an update."""
        return self._optimizer().gradient_accumulation_steps or 1

    def _end_if(self, finished: bool) -> None:
        if finished:
            model: Any = self.model
            model.stop_training = True

    def _recompile(self) -> None:
        model: Any = self.model
        model.make_train_function(force=True)

    def _optimizer(self) -> Any:
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is None:
            rule = "needs a model with an optimizer"
            raise ScheduleError("Callback", rule, "call model.compile(optimizer=…) first")
        return innermost(optimizer)

    def _values(self, optimizer: Any) -> Values:
        names = attributes(self.plan, optimizer)
        schedules = self._resolved(optimizer).schedules()
        values: Values = {}
        for key, name in names.items():
            lr = name == "learning_rate"
            base = self._base_rate(optimizer) if lr else base_value(key, name, self.plan, optimizer)
            schedule = schedules[key]
            values[name] = (TracedFeedback if schedule.listens else Traced)(schedule, base)
        return values

    def _resolved(self, optimizer: Any) -> Plan:
        with speaking(_CONTEXT):
            try:
                return self.plan.resolve(**self._horizon)
            except ScheduleError:
                params: dict[str, Any] = self.params or {}
                epochs, steps = params.get("epochs"), params.get("steps")
                if not epochs or not steps:
                    raise
            window = self._window
            inferred = {"total": epochs * steps // window, "epoch": steps / window}
            return self.plan.resolve(**{**inferred, **self._horizon})

    def _base_rate(self, optimizer: Any) -> float:
        _refuse_schedule(optimizer)
        drive = attached(optimizer)
        if self._peak is not None:
            return self._peak
        if drive is not None and "learning_rate" in drive.values:
            return drive.values["learning_rate"].peak
        if self._first_rate:
            return self._first_rate
        rule = f"resumes at update {committed(optimizer)} and does not know the rate at level 1"
        raise ScheduleError("Callback", rule, "give Callback(…, lr=3e-4), or a plan with a peak")

    def _check_epoch(self, epoch: int, t: int) -> None:
        """Refuse to begin elsewhere than where the optimizer is.

        Inside an epoch is fine where a run goes on, from a state that was loaded. A model that has
        been trained since it was compiled begins another run at epoch 0.
        """
        if t and not epoch and self._first_rate is None and self._again:
            raise _wrong_epoch(epoch, t, "at update 0")
        steps = (self.params or {}).get("steps")
        if not steps:
            if epoch and not t:
                raise _wrong_epoch(epoch, t, "after update 0")
            return
        window = self._window
        first, end = epoch * steps // window, (epoch + 1) * steps // window
        skips = getattr(self.model, "optimizer", None) is not self._optimizer()
        low = min(first, 1) if skips else first
        if not low <= t < max(end, first + 1):
            raise _wrong_epoch(epoch, t, f"at update {first}")

    def _check_writers(self) -> None:
        driven = self._drive.values.get("learning_rate") if self._drive else None
        last = self._last_rate
        if driven is None or last is None:
            return
        optimizer = self._optimizer()
        rate, ours = rate_of(optimizer), [last]
        if self._window > 1:  # a batch of an open window has put there what its update will use
            ours.append(driven.host(committed(optimizer)))
        if not np.isclose(rate, ours, rtol=1e-5, atol=1e-12 * driven.peak).any():
            rule = f"found {rate:g} as learning rate, which was {last:g} after the last update"
            fix = (
                "take LearningRateScheduler, ReduceLROnPlateau or whatever else writes it away, "
                "and put what it did into the schedule"
            )
            raise ScheduleError("Callback", rule, fix)

    def _tell_past_end(self, t: int) -> None:
        rate = self._drive.values.get("learning_rate") if self._drive else None
        if isinstance(rate, Traced) and not self._told and wasted(rate.schedule, t) > PAST:
            self._told = True
            tell("Callback", rate.schedule, t, "give the run's true total, or stop there")

    def _used(self, name: str, t: int, default: Any) -> Any:
        """Return the value that the last of `t` committed updates used."""
        values = self._drive.values if self._drive else {}
        return values[name].host(t - 1) if name in values and t else default

    def _log(self, batch: int, logs: Any = None) -> None:
        if logs is None or self._drive is None:
            return
        optimizer = self._optimizer()
        t = committed(optimizer)
        logs["learning_rate"] = rate_of(optimizer)
        for name in self._drive.values:
            if name != "learning_rate":
                logs[name] = self._used(name, max(t, 1), None)

    def __repr__(self) -> str:
        plan = self.plan
        alone = plan.lr is not None and list(plan.schedules()) == ["lr"] and not plan.groups
        return f"<Callback {plan.lr if alone else plan!r}>"


def _read_path(given: Any) -> Path:
    """Return where observations are kept, or say that it is no file."""
    path = Path(given) if given and isinstance(given, str | os.PathLike) else None
    if path is None or path.is_dir():
        fix = 'give a path, observations="heard.jsonl"'
        raise ScheduleError(f"Callback(observations={shorten(given)})", "names no file", fix)
    return path


def _same(old: Values, new: Values) -> bool:
    def key(values: Values) -> Any:
        return {name: (value.schedule, value.peak) for name, value in values.items()}

    return key(old) == key(new)


def _refuse_schedule(optimizer: Any) -> None:
    """Refuse an optimizer whose rate is a schedule or a function already."""
    try:
        optimizer.learning_rate = rate_of(optimizer)
    except (TypeError, AttributeError):
        rule = f"found a schedule of its own in this {type(optimizer).__name__}"
        fix = "give the optimizer a number, or leave the callback out"
        raise ScheduleError("Callback", rule, fix) from None


def _wrong_epoch(epoch: int, t: int, where: str) -> ScheduleError:
    rule = f"begins {where}, and the optimizer has made {t} updates"
    fix = (
        "load the optimizer along with the weights and give the epoch it had reached, "
        "or compile a new one for a run from the start"
    )
    return ScheduleError(f"fit(initial_epoch={epoch})", rule, fix)
