"""The `args.yaml` of Ultralytics.

It counts batches: with E epochs, a warm-up of W batches and f the last level, that of epoch e is
L(e) = 1 - (1 - f)·e/E, or a cosine to f over E. Batch i < W of epoch e runs at L(e)·i/W; biases
begin at a rate of their own. An update takes one batch at first, then more and more up to the
nominal batch size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.convert.formats import Format, Marks, RunFacts, ask, marks
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import Keys
from ratewise.convert.unread import one_edit_apart
from ratewise.schedule import Piecewise, Plan, Schedule, ScheduleError

_WHO = "Ultralytics"
_DEFAULTS: dict[str, Any] = {
    "lr0": 0.01,
    "lrf": 0.01,
    "cos_lr": False,
    "warmup_epochs": 3.0,
    "warmup_bias_lr": 0.1,
    "nbs": 64,
    "batch": 16,
    "epochs": 100,
    "optimizer": "auto",
}
_OPTIMIZERS = ("SGD", "Adam", "Adamax", "AdamW", "NAdam", "RAdam", "RMSProp", "auto")
_OTHERS = ("nms", "optimize")
"""Keys of other things, one letter away from these."""
_MOST = 20_000_000
_LEAST = 100
"""Batches of a warm-up at the least, up to some version."""


def _read(source: Any, ctx: RunFacts) -> Plan:
    given = {name: value for name, value in flags(_WHO, source).items() if value is not None}
    keys = Keys(_WHO, given).among(" ".join(_DEFAULTS), "warmup_momentum", also=("lr",))
    left_out = {name: value for name, value in _DEFAULTS.items() if name not in given}
    notes: list[str] = []
    for name in left_out:
        others = [key for key in given if key not in (*_DEFAULTS, *_OTHERS)]
        slips = [key for key in others if one_edit_apart(key, name)]
        if slips:
            raise ScheduleError(_WHO, f"has the key {slips[0]}", f"did you mean {name}")
    if left_out:
        values = ", ".join(f"{name}={value}" for name, value in left_out.items())
        notes.append(f"Left out, so Ultralytics' own: {values}.")
    keys = keys.having(**left_out)
    if keys.has("time"):
        rule = "has time, by which the epochs are counted anew while it runs"
        raise ScheduleError(_WHO, rule, "give epochs, and no time")
    peak, bias = _rates(keys, ctx, notes)
    batch = _batch(keys, ctx)
    epochs, steady = keys.whole("epochs", low=1), max(round(keys.number("nbs") / batch), 1)
    batches = _batches(ctx, steady)
    loop = _loop(keys, ctx, batch, batches)
    made, share = loop.updates(), loop.shares()
    levels = np.array([_level(keys, epoch, epochs) for epoch in range(epochs)])[made // batches]
    run = len(made) if ctx.total is None else ctx.total
    lr = _steps(levels * share, run)
    if not loop.warmup:
        notes.append(f"The first versions warm up for {_LEAST} batches all the same.")
        return Plan(lr=lr, peak={"lr": peak}, notes=tuple(notes))
    notes.append("Update 0 runs at rate 0; the warm-up of the momentum is left out.")
    if not bias:
        return Plan(lr=lr, peak={"lr": peak}, notes=tuple(notes))
    notes.append("Biases fall from warmup_bias_lr: they are the group 'bias'.")
    own = _steps(levels * share + (1 - share) * bias / peak, run)
    return Plan(lr=lr, peak={"lr": peak}, groups={"bias": Plan(lr=own)}, notes=tuple(notes))


def _rates(keys: Keys, ctx: RunFacts, notes: list[str]) -> tuple[float, float]:
    """Return the peak rate and the one that biases begin with."""
    told, stated = ctx.more.get("lr"), keys.number("lr0", above=True)
    name = keys.choice("optimizer", _OPTIMIZERS)
    if name == "auto" and told is None:
        rule = "has optimizer=auto, which chooses the rate and not lr0"
        raise ScheduleError(_WHO, rule, ask("lr"))
    if told is None:
        return stated, keys.number("warmup_bias_lr")
    if name != "auto" and told != stated:
        notes.append(f"lr={told:g} was given; the config says lr0={stated:g}.")
    return float(told), 0.0 if name == "auto" else keys.number("warmup_bias_lr")


def _batch(keys: Keys, ctx: RunFacts) -> int:
    """Return the samples of a batch, in all processes together."""
    if ctx.batch_size is not None:
        return int(ctx.batch_size * (ctx.processes or 1))
    if keys.number("batch", low=-1) < 1:
        rule = f"has batch={keys.given['batch']}, which is found out when it runs"
        raise ScheduleError(_WHO, rule, ask("batch_size"))
    return keys.whole("batch", low=1)


def _batches(ctx: RunFacts, steady: int) -> int:
    """Return the batches of an epoch; where an update takes one, they are its updates."""
    told = ctx.more.get("batches")
    if told is not None:
        return Keys(_WHO, {"batches": told}).whole("batches", low=1)
    if steady == 1:
        return ctx.need_epoch(_WHO)
    rule = f"takes {steady} batches for an update and counts its warm-up in batches"
    raise ScheduleError(_WHO, rule, ask("batches", ", those of an epoch"))


def _level(keys: Keys, epoch: int, epochs: int) -> float:
    low = keys.number("lrf", high=1.0)
    if keys.flag("cos_lr"):
        return (1 - math.cos(epoch * math.pi / epochs)) / 2 * (low - 1) + 1
    return (1 - epoch / epochs) * (1 - low) + low


# The clock ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Loop:
    """The batches of a run.

    Attributes:
        run: How many there are.
        epoch: How many an epoch has.
        warmup: How many the warm-up is long.
        last: The last one whose rate the warm-up sets; it stays for the rest of its epoch.
        ratio: Batches that an update takes, behind the warm-up, before rounding.
    """

    run: int
    epoch: int
    warmup: int
    last: int
    ratio: float

    def updates(self) -> Any:
        """Return the batches behind which an update is made: more and more are gathered."""
        begun = list[int]()
        gathered, before = max(round(self.ratio), 1), -1
        for i in range(min(self.last + 1, self.run)):
            gathered = max(1, int(np.interp(i, [0, self.warmup], [1, self.ratio]).round()))
            if i - before >= gathered:
                before = i
                begun.append(i)
        rest = np.arange(min(max(before + gathered, self.last + 1), self.run), self.run, gathered)
        return np.concatenate([np.array(begun, dtype=int), rest])

    def shares(self) -> Floats:
        """Return how far the warm-up has come, update by update; 1 where it sets no rate."""
        made = self.updates()
        if not self.warmup:
            return np.ones(len(made))
        share = np.minimum(made, self.last) / self.warmup
        return np.where(made // self.epoch > self.last // self.epoch, 1.0, share)


def _loop(keys: Keys, ctx: RunFacts, batch: int, batches: int) -> _Loop:
    """Return the loop; where versions differ, that of the one that was told."""
    epochs, length = keys.whole("epochs", low=1), keys.number("warmup_epochs")
    ratio, run = keys.number("nbs") / batch, epochs * batches
    if run > _MOST:
        raise ScheduleError(_WHO, f"has {run:,} batches in all", f"a run has at most {_MOST:,}")
    usual = max(round(length * batches), _LEAST) if length else 0
    newer = round(min(length, epochs - 1) * batches)
    loops = {
        _LEAST: _Loop(run, batches, usual, min(usual, run) if usual else -1, ratio),
        0: _Loop(run, batches, newer, newer - 1, ratio),
    }
    told = ctx.more.get("warmup_least")
    if told is not None:
        if told not in loops:
            raise ScheduleError(_WHO, "has versions with 100 or 0", "give one of them", given=told)
        return loops[told]
    one, other = loops.values()
    same = np.array_equal(one.updates(), other.updates())
    if not same or not np.array_equal(one.shares(), other.shares()):
        rule = f"warms up for {usual} batches in most versions, for {newer} without a least number"
        advice = f", which is {_LEAST} or 0, as its trainer has it"
        raise ScheduleError(_WHO, rule, ask("warmup_least", advice))
    return one


def _steps(levels: Floats, run: int) -> Schedule:
    """Return levels by update, each run of equals once, over the whole run."""
    changes = np.flatnonzero(np.diff(levels, prepend=np.nan))
    return Piecewise({int(t): float(levels[t]) for t in changes if t < run}, over=run)


_MARKS = Marks(
    *marks("lr0 lrf warmup_bias_lr warmup_momentum", 2),
    *marks("nbs cos_lr close_mosaic", 2),
    *marks("warmup_epochs imgsz", 1),
    *marks("anchor_t hyp lr_scheduler", -20),
)
_FACTS = {"epochs": "epochs"}
_READS = " ".join([*_DEFAULTS, "warmup_momentum time momentum optimize"])
FORMATS = (Format("ultralytics", "Ultralytics args.yaml", _MARKS, _read, _FACTS, _READS),)
