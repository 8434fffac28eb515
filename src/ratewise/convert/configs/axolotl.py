"""The learning-rate keys of an Axolotl YAML config."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ratewise import schedule as rw
from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, ask, marks, only_one
from ratewise.convert.pieces.case import Case, Cycle, transformers_plan
from ratewise.convert.pieces.keys import Keys, section
from ratewise.convert.pieces.moves import Piece, decay, hold, lay, part, rise, stay, swing
from ratewise.schedule import Plan, Schedule, ScheduleError

_WHO = "axolotl"
_COSINE = "cosine_min_lr_ratio cosine_constant_lr_ratio"
_JAGGED = "jagged_restart_steps jagged_restart_warmup_steps jagged_restart_anneal_steps"
_KEYS = (
    "lr_scheduler lr_scheduler_kwargs lr_quadratic_warmup lr_groups lr_div_factor "
    "warmup_steps warmup_ratio"
)


@dataclass(frozen=True, kw_only=True)
class _AxolotlCase(Case):
    """A config to be read, and the updates of its warm-up."""

    warmup: int

    @property
    def name(self) -> Any:
        """The scheduler's name."""
        return self.keys.get("lr_scheduler", "cosine")

    @property
    def jagged(self) -> bool:
        """Whether restarts are put on top."""
        return _or(self.keys, "jagged_restart_steps", 0) > 0

    @property
    def rest(self) -> int:
        """The updates behind the warm-up, at least 1."""
        return max(self.run - self.warmup, 1)

    def lay(self, *pieces: Piece) -> Schedule:
        """Return the pieces, one update more under restarts, which look one ahead."""
        return lay(self.total if self.total is None else self.total + self.jagged, *pieces)


# Axolotl's own schedulers -------------------------------------------------------------------


def _rex(case: _AxolotlCase) -> Plan:
    low = case.keys.number("cosine_min_lr_ratio", 0.0, high=1.0)
    rest = case.run - case.warmup
    down = part(decay("rex", low, bend=0.1), rest, begin=1) if rest > 0 else hold(low)
    case.notes.append("The first step is skipped: the lowest rate is reached one update early.")
    climb = rise(case.warmup, counted="(t+1)/W")
    return case.plan(climb, (max(rest - 1, 0), down), stay(low))


def _one_cycle(case: _AxolotlCase) -> Plan:
    if case.jagged:
        rule = "has jagged restarts of one_cycle, which step past its end"
        raise ScheduleError(_WHO, rule, "use another lr_scheduler")
    who = "axolotl lr_scheduler_kwargs"
    keys = Keys(who, section(who, case.keys.given.get("lr_scheduler_kwargs")))
    keys.only(Cycle.KEYS, "cycle_momentum base_momentum max_momentum")
    cycle = Cycle.of(keys, case.run, case.warmup / case.run)
    if cycle.share * cycle.steps < 1:
        case.notes.append("Without a warm-up the cycle begins just below the peak.")
    case.notes.append("The lowest rate is reached at the last update.")
    if not keys.flag("cycle_momentum", True):
        return case.plan(*cycle.pieces())
    high = keys.number("max_momentum", 0.95, above=True)
    momentum = lay(case.total, *cycle.mirror(keys.number("base_momentum", 0.85) / high))
    return case.plan(*cycle.pieces(), momentum=momentum, peak={"momentum": high})


def _quadratic(case: _AxolotlCase) -> Plan:
    if case.keys.given.get("cosine_min_lr_ratio") is not None:
        case.notes.append("cosine_min_lr_ratio is ignored beside lr_quadratic_warmup.")
    return case.plan(rise(case.warmup, shape="quadratic"), (case.rest, swing(0.0, case.rest)))


def _min_ratio(case: _AxolotlCase) -> Plan:
    low = case.keys.number("cosine_min_lr_ratio", high=1.0)
    return case.plan(rise(case.warmup), (case.rest, swing(low, case.rest)))


def _constant_ratio(case: _AxolotlCase) -> Plan:
    low = case.keys.number("cosine_min_lr_ratio", high=1.0)
    stop = int(case.run * case.keys.number("cosine_constant_lr_ratio", high=1.0))
    rest = stop - case.warmup
    if rest > 0:
        return case.plan(rise(case.warmup), (rest, swing(low, rest)), stay(low))
    level = low if rest % 2 else 1.0  # the cosine of a whole number of half waves
    note = f"The cosine would end inside the warm-up: the rate stays at {level:g} of lr."
    case.notes.append(note)
    return case.plan(rise(case.warmup), stay(level))


def _transformers(case: _AxolotlCase) -> Plan:
    if case.keys.given.get("cosine_min_lr_ratio") and case.name != "cosine":
        case.notes.append(f"cosine_min_lr_ratio is ignored with lr_scheduler {case.name}.")
    arguments = {
        "lr_scheduler_type": case.name,
        "learning_rate": case.peak,
        "lr_scheduler_kwargs": case.keys.given.get("lr_scheduler_kwargs"),
        "warmup_steps": case.warmup,
    }
    return transformers_plan(arguments, case.ctx, case.notes)


def _chosen(case: _AxolotlCase) -> Callable[[_AxolotlCase], Plan]:
    """Return what reads the scheduler that Axolotl would choose."""
    keys, name = case.keys, case.name
    if name in ("one_cycle", "rex"):
        return _one_cycle if name == "one_cycle" else _rex
    if name != "cosine":
        return _transformers
    if keys.flag("lr_quadratic_warmup"):
        return _quadratic
    if not keys.number("cosine_min_lr_ratio", 0.0):
        return _transformers
    return _constant_ratio if keys.number("cosine_constant_lr_ratio", 0.0) else _min_ratio


# Jagged restarts ----------------------------------------------------------------------------


def _jagged(case: _AxolotlCase, inner: Plan) -> Plan:
    """Return a plan times its restarts, one step later than it would be without them."""
    keys, total = case.keys, case.run
    every = keys.whole("jagged_restart_steps", low=1)
    warmup = _or(keys, "jagged_restart_warmup_steps", 10)
    anneal = _or(keys, "jagged_restart_anneal_steps", 1)
    low = keys.number("cosine_min_lr_ratio", 0.0, high=1.0) or 0.001
    late = 2 if case.name == "rex" else 1
    restarts = _restarts((every, warmup, anneal), low, total + late)
    assert inner.lr is not None
    ahead = 0 if _chosen(case) is _transformers else 1
    lr = _skip(inner.lr, 1, total + ahead) * _skip(restarts, late, total + late)
    note = "Jagged restarts skip the first step: update t uses the rate of t + 1."
    return replace(inner, lr=lr, notes=(*inner.notes, note))


def _or(keys: Keys, name: str, default: int) -> int:
    """Return a length; without one, with 0 and with false the default, as Axolotl does."""
    return default if keys.given.get(name) in (None, False) else keys.whole(name) or default


def _restarts(lengths: tuple[int, int, int], low: float, total: int) -> Schedule:
    """Return the multiplier: 1 up to the first anneal, then cycles with a warm-up each."""
    every, warmup, anneal = lengths
    first = max(every - anneal, 0)
    climbing, falling = rw.Linear(to=1.0, start=low), rw.Linear(to=low, start=1.0)
    longest = min(warmup, every)

    def tail(position: int) -> list[Piece]:
        fall = max(position, every - anneal)
        down = part(falling, anneal, fall - (every - anneal))
        return [stay(1.0, fall - position), (every - fall, down)]

    # The warm-up of a cycle that has begun before the first anneal is still going on.
    late: Piece = (longest - first, part(climbing, warmup, first))
    once = lay(total, stay(1.0, first), late, *tail(max(longest, first)))
    if every >= total:
        return once
    cycle = lay(None, (longest, part(climbing, warmup)), *tail(longest))
    return once >> rw.Repeat(cycle, every=every)


def _skip(schedule: Schedule, n: int, total: int) -> Schedule:
    """Return a schedule of `total` updates without its first `n`; past its end it holds."""
    settled = schedule.resolve(total)
    moves = list(settled.moves) if isinstance(settled, rw.Sequence) else [settled]
    while n and moves:
        first, length = moves[0], moves[0].length or 0
        if length > n or len(moves) == 1:
            moves[0] = _without(first, length, n)
            break
        moves[1] = _from(moves[1], first.end)
        moves, n = moves[1:], n - length
    return moves[0] if len(moves) == 1 else rw.Sequence(tuple(moves))


def _from(move: Any, level: float) -> Schedule:
    """Return a move that starts at a level, where it leaned on the one before it."""
    if isinstance(move, rw.Part):
        inner: Any = _from(move.move, level)
        return replace(move, move=inner)
    for name in ("level", "start"):
        if name in {field.name for field in dataclasses.fields(move)} and not getattr(move, name):
            return move if getattr(move, name) == 0 else replace(move, **{name: level})
    return move


def _without(move: Any, length: int, n: int) -> Schedule:
    """Return a settled move without its first updates: a part of it where there is such a thing."""
    over = length - n
    if over <= 0:
        return rw.Hold(move.end)
    if isinstance(move, rw.Hold):
        return replace(move, over=over)
    if isinstance(move, rw.Part) and move.of is not None:
        return replace(move, begin=move.begin + n, over=over)
    if isinstance(move, rw.Linear | rw.Warmup | rw.Cosine) and length:
        whole = replace(move, over=None)
        shifted = isinstance(move, rw.Warmup) and move.start is None
        return (
            rw.Part(whole, begin=n, of=length, over=over)
            if not shifted
            else _table(move, length, n)
        )
    return _table(move, length, n)


def _table(move: Schedule, length: int, n: int) -> Schedule:
    levels = [*move.values(length), move.end][n:]
    return rw.Piecewise({t: float(level) for t, level in enumerate(levels)}, over=length - n)


# The format ---------------------------------------------------------------------------------


def _warmup(keys: Keys, ctx: RunFacts, notes: list[str]) -> int:
    """Return the updates of the warm-up as Axolotl rounds them."""
    zero_is_none = {name: keys.given.get(name) or None for name in ("warmup_steps", "warmup_ratio")}
    only_one(_WHO, zero_is_none, "warmup_steps", "warmup_ratio")
    share = keys.number("warmup_steps", 0.0)
    if 0 < share < 1:  # the Trainer takes it for a share of the run
        return math.ceil(share * ctx.need_total(_WHO))
    if keys.has("warmup_steps"):
        steps = keys.whole("warmup_steps")
    elif keys.has("warmup_ratio"):
        steps = int(keys.number("warmup_ratio", high=1.0) * ctx.need_total(_WHO))
    else:
        steps = min(int(0.03 * ctx.need_total(_WHO)), 100)
        notes.append(f"No warm-up is given: Axolotl uses {steps} updates.")
    if steps == 1:
        notes.append("A warm-up of 1 update is made one of 2.")
        return 2
    return steps


def _read(source: Any, ctx: RunFacts) -> Plan:
    keys = Keys(_WHO, section(_WHO, source)).among(
        _KEYS, _COSINE, _JAGGED, also=("cosine_", "jagged_", "relora_steps")
    )
    if ctx.total is None and keys.has("max_steps"):
        ctx = ctx.lasting(keys.whole("max_steps", low=1))
    peak = keys.rate(ctx, "learning_rate")
    if peak is None:
        raise ScheduleError(_WHO, "has no learning_rate", ask("lr", ", or add it to the config"))
    notes: list[str] = []
    case = _AxolotlCase(keys, ctx, peak, notes, warmup=_warmup(keys, ctx, notes))
    build = _chosen(case)
    if build not in (_rex, _one_cycle, _transformers):
        case.idle(case.warmup)
    if keys.has("lr_groups"):
        notes.append("lr_groups have rates of their own, and the same schedule.")
    found = build(case)
    return _jagged(case, found) if case.jagged else found


_MARKS = Marks(
    *marks(f"{_COSINE} {_JAGGED} lr_quadratic_warmup base_model"),
    *marks("micro_batch_size sequence_len", 2),
    *marks("learning_rate warmup_steps warmup_ratio", 1),
    FormatMark("lr_scheduler", 1, lambda name: isinstance(name, str)),
    FormatMark("lr_scheduler", -20, lambda name: not isinstance(name, str)),
    FormatMark("lr_scheduler_type", -20),
    FormatMark("base_model", -20, lambda name: not isinstance(name, str)),
    FormatMark("", -20, lambda source: isinstance(source, str)),
)
_FACTS = {
    "lr": "learning_rate",
    "total": "max_steps",
    "epochs": "num_epochs",
    "batch_size": "micro_batch_size",
    "accumulation": "gradient_accumulation_steps",
}
_READS = f"{_KEYS} {_COSINE} {_JAGGED}"
FORMATS = (Format("axolotl", "Axolotl YAML", _MARKS, _read, _FACTS, _READS),)
