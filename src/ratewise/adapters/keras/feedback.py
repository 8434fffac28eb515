"""Feedback schedules in Keras: their values inside a graph, and the record of what was shown."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from ratewise.adapters.feedback import FeedbackStore, Listener
from ratewise.schedule import Schedule, ScheduleError
from ratewise.schedule.errors import shorten
from ratewise.schedule.schema import a_count, a_dict, a_number, a_table, read_state

WINDOW = 8192
"""Updates that are looked ahead; as many batches may go by until the table is filled anew."""

Observation = tuple[int, dict[str, float]]

_OBSERVATION = a_dict({"update": a_count(), "metrics": a_table(a_number(finite=False))})
_WHO, _FIX = "Callback(observations=…)", "give the run's own file"


class TracedFeedback(Listener):
    """`peak · level(t)` of a feedback schedule, for `t` a tensor.

    On JAX, where a compiled step can read no variable that is not the model's, the host is asked
    for each update; elsewhere the values until the next observation are a variable. Either way a
    decision compiles nothing anew.
    """

    def __init__(self, schedule: Schedule, peak: float, window: int = WINDOW) -> None:
        super().__init__(schedule.machine())
        self.schedule, self.peak = schedule, peak
        self._window = window
        self._asks = keras.backend.backend() == "jax"
        if not self._asks:
            self._first = keras.Variable(0, dtype="int64", trainable=False)
            self._ahead = keras.Variable(np.zeros(window), dtype=_dtype(), trainable=False)
            self.look(0)

    def look(self, t: int) -> None:
        """Fill in the values from update `t` on, for what has been shown."""
        if not self._asks:
            self._ahead.assign(self.peak * self.ahead(self._window, t))
            self._first.assign(t)

    def host(self, t: int) -> float:
        """Return the value of update `t` on the host, in float64."""
        return self.peak * self.machine.level(self.state, t)

    def __call__(self, t: Any) -> Any:
        """Return the value of update `t`, an integer tensor, in the precision of the optimizer."""
        if self._asks:
            return self._ask(ops.convert_to_tensor(t))
        index = ops.subtract(ops.cast(t, "int64"), ops.convert_to_tensor(self._first))
        index = ops.clip(index, 0, self._window - 1)
        return ops.take(ops.convert_to_tensor(self._ahead), index, axis=0)

    def _ask(self, t: Any) -> Any:
        import jax
        from jax.experimental import io_callback

        kind = jax.ShapeDtypeStruct((), _dtype())
        return io_callback(lambda t: np.asarray(self.host(int(t)), _dtype()), kind, t)


def _dtype() -> str:
    return "float64" if keras.config.floatx() == "float64" else "float32"


class RecordedFeedback(FeedbackStore):
    """All feedback schedules of a run, and the record of what they were shown.

    Args:
        listeners: What the feedback schedules give, by key of the plan.
        path: File for the record, one line of JSON per observation; without it the record lives
            as long as the callback.
    """

    def __init__(
        self, listeners: Mapping[str, TracedFeedback], path: str | os.PathLike[str] | None
    ) -> None:
        super().__init__(listeners)
        self.path = None if path is None else Path(path)
        self.record: list[Observation] | None = None
        self._traced = listeners.values()
        self._filled = 0
        self._told = False

    def begin(self, t: int) -> None:
        """Stand at update `t`, with what had been shown until then.

        Raises:
            ScheduleError: nobody knows what was shown; a record that cannot be read.
        """
        if self.record is None and t and self.path is None:
            rule = f"resumes at update {t} and does not know what its schedule has heard"
            fix = 'give Callback(…, observations="heard.jsonl") from the start of the run'
            raise ScheduleError("Callback", rule, fix)
        known = _read(self.path) if self.record is None and self.path else self.record or []
        if t and self.path and self.record is None and not self.path.exists():
            rule = f"resumes at update {t} and finds no {self.path}"
            raise ScheduleError("Callback", rule, "give the file that the run has written")
        record = [one for one in known if one[0] <= t]
        heard = FeedbackStore({at: Listener(one.machine) for at, one in self.listeners.items()})
        for update, metrics in record:
            heard.observe(update, metrics)
        if self.path and len(record) < len(known):
            _write(self.path, record)
        self.record = record
        self.restore("Callback", heard.states())
        self.look(t)

    def look(self, t: int) -> None:
        """Fill in the values from update `t` on."""
        for listener in self._traced:
            listener.look(t)
        self._filled = t

    def keep_up(self, t: int) -> None:
        """Fill in more values where `t`, the most updates there can be, comes near their end."""
        if t - self._filled >= WINDOW // 2:
            self.look(t - 1)

    def show(self, t: int, logs: Mapping[str, Any] | None) -> None:
        """Show and record what was measured when `t` updates had been made.

        Keras validates in some epochs only: where a metric of the validation is waited for, an
        epoch without validation is no evaluation. Each evaluation has the same names.

        Raises:
            ScheduleError: a name that is waited for is not measured, or is no number.
        """
        shown = self._numbers(logs or {})
        waits = any(name.startswith("val_") for name in self.metrics())
        if waits and not any(name.startswith("val_") for name in shown):
            self._tell(shown)
            return
        if not shown:
            return
        self.check(shown)
        self.observe(t, shown)
        assert self.record is not None
        self.record.append((t, shown))
        if self.path:
            _append(self.path, self.record[-1])
        self.look(t)

    def _numbers(self, logs: Mapping[str, Any]) -> dict[str, float]:
        """Return the numbers of some logs; what is waited for has to be one."""
        waited = self.metrics()
        numbers: dict[str, float] = {}
        for name, value in logs.items():
            try:
                numbers[name] = float(value)
            except (TypeError, ValueError):
                if name in waited:
                    rule = f"waits for {name}, and the logs of an epoch have {shorten(value)}"
                    raise ScheduleError("Callback", rule, "log one number") from None
        return numbers

    def _tell(self, shown: Mapping[str, float]) -> None:
        """Warn once of a run that has never validated, if something waits for it.

        Only `fit` knows whether it has data for it and in which epochs: it may still come.
        """
        if self.record or self._told:
            return
        self._told = True
        missing = [move for move in self._moves() if move.metric.startswith("val_")]
        warnings.warn(
            f"{missing[0]!r} waits for {missing[0].metric}, but this epoch measured "
            f"{', '.join(sorted(shown)) or 'nothing'}: give fit validation_data=…, or wait for "
            "a metric of the training; until it comes the rate does not fall",
            stacklevel=2,
        )


def _read(path: Path) -> list[Observation]:
    """Return the record in a file; a last line that was cut short is none."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    found: list[Observation] = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            one = read_state(_WHO, _OBSERVATION, json.loads(line.decode()), _FIX)
        except ScheduleError as error:
            rule = f"cannot read line {number} of {path}: it {error.broken}"
            raise ScheduleError(_WHO, rule, _FIX) from None
        except (ValueError, RecursionError):
            rule = f"cannot read line {number} of {path}: {shorten(line)}"
            raise ScheduleError(_WHO, rule, _FIX) from None
        if found and one["update"] < found[-1][0]:
            rule = f"finds line {number} of {path} behind a later one"
            raise ScheduleError(_WHO, rule, _FIX)
        found.append((one["update"], one["metrics"]))
    return found


def _line(one: Observation) -> str:
    return json.dumps({"update": one[0], "metrics": one[1]}) + "\n"


def _append(path: Path, one: Observation) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(_line(one))
        file.flush()
        os.fsync(file.fileno())


def _write(path: Path, record: list[Observation]) -> None:
    """Write a whole record, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text("".join(_line(one) for one in record), encoding="utf-8")
    os.replace(new, path)
