"""What is known of a training: the facts that advice is keyed by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from ratewise.schedule.errors import Call, Fix, ScheduleError, nearest, number, shorten, whole
from ratewise.schedule.strict import Strict

CHOICES: dict[str, tuple[str, ...]] = {
    "task": (
        *("continued pretraining", "fine-tuning", "image classification", "other"),
        *("preference tuning", "pretraining", "vision transfer"),
    ),
    "method": ("full", "lora"),
    "optimizer": (
        *("adam", "adamw", "d-adaptation", "muon", "other", "prodigy"),
        *("schedule-free", "sgd"),
    ),
    "kind": ("encoder", "language model", "vision"),
    "horizon": ("known", "open"),
}
SEEN = ("divergence", "early best", "edge peak", "jitter", "late best", "plateau", "spikes")
_COUNTS = ("batch", "batch_before", "examples", "total", "trials")


@dataclass(frozen=True)
class Facts(metaclass=Strict):
    """What is known of a training; what is left out is not known, and no rule assumes it.

    Args:
        task: "pretraining", "continued pretraining", "fine-tuning", "preference tuning",
            "vision transfer", "image classification" (from scratch) or "other".
        method: "full" (all weights) or "lora".
        optimizer: "adam", "adamw", "sgd", "muon", "schedule-free", "prodigy", "d-adaptation" or
            "other".
        kind: The model: "language model", "encoder", "vision" or None.
        batch: Samples in an update, at least 1.
        batch_before: Samples in an update when the peak was tuned, at least 1; for rescaling.
        examples: Samples to train on, at least 1.
        total: Updates in the run, at least 1.
        horizon: "known", or "open" where the run may be stopped or extended at will.
        trials: Runs that can be paid for, at least 1.
        beta2: Second beta of the optimizer, in [0, 1).
        peak: Peak rate that is used now, with `batch_before` if that is given, in (0, inf).
        seen: What earlier runs showed, any of "spikes" (in the loss), "plateau", "divergence",
            "jitter" (of the metric, late), "edge peak" (the best peak was the last one tried, or
            next to one that breaks), "early best" and "late best" (checkpoint).

    Raises:
        ScheduleError: a word that is not known, a number outside its interval.

    >>> Facts(task="fine-tuning", method="lora", batch=64, batch_before=16).growth
    4.0
    """

    task: str = "other"
    method: str = "full"
    optimizer: str = "adamw"
    kind: str | None = None
    batch: int | None = None
    batch_before: int | None = None
    examples: int | None = None
    total: int | None = None
    horizon: str = "known"
    trials: int | None = None
    beta2: float | None = None
    peak: float | None = None
    seen: Iterable[str] = frozenset()

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            value = getattr(self, name)
            if value not in known and not (name == "kind" and value is None):
                who, fix = Call("Facts", name, value), nearest(value, known)
                article = "an" if name[0] in "aeiou" else "a"
                raise ScheduleError(who, f"is not {article} {name} that is known", fix)
        for name in _COUNTS:
            value = getattr(self, name)
            if value is not None:
                who = Call("Facts", name, value)
                what = name if "_" not in name else f"the {name.replace('_', ' ')}"
                object.__setattr__(self, name, whole(who, what, value, low=1))
        bounds: dict[str, Any] = {"beta2": {"high": 1.0 - 1e-9}, "peak": {"above": True}}
        for name, interval in bounds.items():
            value = getattr(self, name)
            if value is not None:
                who = Call("Facts", name, value)
                object.__setattr__(self, name, number(who, name, value, **interval))
        object.__setattr__(self, "seen", _signs(self.seen))
        if self.batch_before is not None and self.batch is None:
            who = Call("Facts", "batch_before", self.batch_before)
            fix = Fix("give {batch} too", batch="…")
            raise ScheduleError(who, "needs the batch of the next run", fix)

    @property
    def growth(self) -> float | None:
        """The batch over the batch before, or None."""
        if self.batch is None or self.batch_before is None:
            return None
        return self.batch / self.batch_before

    def given(self) -> dict[str, Any]:
        """Return what is known, by name, in the order of the arguments."""
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        known["seen"] = sorted(self.seen)
        return {name: value for name, value in known.items() if value not in (None, [])}


def _signs(seen: Any) -> frozenset[str]:
    who = Call("Facts", "seen", seen)
    if isinstance(seen, str) or not isinstance(seen, Iterable):
        raise ScheduleError(who, "needs a set of texts", 'write seen={"spikes"}')
    signs: list[Any] = list(seen)  # pyright: ignore[reportUnknownArgumentType]
    for sign in signs:
        if sign not in SEEN:
            raise ScheduleError(who, f"has {shorten(sign)}", nearest(sign, SEEN))
    return frozenset(signs)
