"""Reading the parameter schedulers of fvcore.

They give a value at a share of the run: update t uses the value at t/total. Floats are read as
they are, as rates; the plan's peak is the largest that the scheduler is made of.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from typing import Any

import numpy as np

from ratewise import schedule as rw
from ratewise._arrays import Floats
from ratewise.convert.formats import Format, RunFacts
from ratewise.convert.live._border import guarded
from ratewise.convert.live._curves import SLACK, KeyLevels, Shape, level, needs_run, plan_of, steps
from ratewise.convert.pieces.layout import join
from ratewise.schedule import Move, Plan, Schedule, ScheduleError
from ratewise.schedule.errors import shorten

_STEPS = ("StepParamScheduler", "MultiStepParamScheduler", "StepWithFixedGammaParamScheduler")


def _matches(source: Any) -> bool:
    return _own_name(source) != ""


def _read(source: Any, context: RunFacts) -> Plan:
    who, total = f"fvcore {type(source).__name__}", context.total
    if _own_name(source) in (*_STEPS, "CompositeParamScheduler", "ParamScheduler"):
        total = context.need_total(who)
    peak = max((float(value) for value in _constants(source)), default=0.0)
    formula = _shape(source, peak, total) if peak > 0 else None
    values = None
    if total is not None and needs_run([formula], total):
        values = _values(who, source, total)
    return plan_of(who, [{"lr": KeyLevels(peak, formula, values)}], [None])


def _values(who: str, source: Any, total: int) -> Floats:
    out = np.empty(total)
    for t in range(total):
        try:
            out[t] = source(t / total)
        except Exception as error:
            rule = f"fails at update {t} of {total} ({type(error).__name__}: {shorten(str(error))})"
            raise ScheduleError(who, rule, "correct its settings") from error
    return out


# Formulas ----------------------------------------------------------------------------------


def _own_name(source: Any) -> str:
    own = _own_class(source)
    return "" if own is None else own.__name__


def _own_class(source: Any) -> type | None:
    """Return the nearest class of fvcore itself."""
    kinds = type(source).__mro__
    return next((k for k in kinds if k.__module__ == "fvcore.common.param_scheduler"), None)


def _constants(source: Any) -> list[float]:
    """Return the values that a scheduler is made of; fvcore keeps them under private names."""
    own, name = vars(source), _own_name(source)
    if name == "CompositeParamScheduler":
        return [value for part in own["_schedulers"] for value in _constants(part)]
    if name == "StepWithFixedGammaParamScheduler":
        return [own["base_value"], own["base_value"] * own["gamma"] ** own["num_decays"]]
    if "_param_schedule" in own:
        return list(own["_param_schedule"])
    found = [own[k] for k in ("_value", "_start_value", "_end_value", "_base_value") if k in own]
    return [*found, own["_start_value"] * own["_decay"]] if "_decay" in own else found


def _shape(source: Any, peak: float, total: int | None) -> Shape | None:
    """Return the levels of a scheduler over the run, or None where only running it tells."""
    own: Any = _own_class(source)
    if type(source).__call__ is not own.__call__:
        return None
    if _own_name(source) == "CompositeParamScheduler":
        return None if total is None else _composite(source, peak, total)
    if _own_name(source) in _STEPS:
        return None if total is None else Shape(_listed(source, peak, _places(0, total, total)))
    move = _move(source, peak)
    return None if move is None else Shape(move, slack=_slack(source, total))


def _slack(source: Any, total: int | None) -> float:
    """Return what the rounding of 1 - t/total, a part of its formula, can come to."""
    power = vars(source).get("_power", 1.0)
    return max(SLACK, 4e-16 * (total or 1) ** max(0.0, 1 - power))


def _move(source: Any, peak: float) -> Move | None:
    """Return a scheduler as one move without a length, from its value at 0 to that at 1."""
    own, name = vars(source), _own_name(source)
    if any(value < 0 for value in _constants(source)):
        return None
    if name == "ConstantParamScheduler":
        return rw.Hold(level(own["_value"], peak))
    if name in ("LinearParamScheduler", "CosineParamScheduler"):
        kind = rw.Linear if name.startswith("Linear") else rw.Cosine
        return kind(level(own["_end_value"], peak), start=level(own["_start_value"], peak))
    if name == "ExponentialParamScheduler":
        start, decay = level(own["_start_value"], peak), own["_decay"]
        return rw.Exponential(start * decay, start=start) if start > 0 and decay > 0 else None
    if name == "PolynomialDecayParamScheduler":
        start, power = level(own["_base_value"], peak), own["_power"]
        if power == 0:
            return rw.Hold(start)
        return rw.Polynomial(0.0, power, start=start) if power > 0 else None
    return None


# Compositions -------------------------------------------------------------------------------


def _composite(source: Any, peak: float, total: int) -> Shape | None:
    """Return the parts one after the other, each on its own clock or on that of the run."""
    own = vars(source)
    lengths, inner = own["_lengths"], own["_schedulers"]
    ends = list(itertools.accumulate(lengths))
    bounds = [0, *(_first_past(end, total) for end in ends[:-1]), total]
    moves: list[Schedule] = []
    for i, part in enumerate(inner):
        first, n = bounds[i], bounds[i + 1] - bounds[i]
        if n <= 0:
            continue
        rescaled = own["_interval_scaling"][i] == "rescaled"
        start, share = (ends[i] - lengths[i], lengths[i]) if rescaled else (0.0, 1.0)
        piece = _piece(part, peak, total, (first, n), (start, share))
        if piece is None:
            return None
        moves.append(piece)
    # Places in a part are differences of shares of the run.
    smallest = min((share for share in lengths if share > 0), default=1.0)
    return Shape(join(moves, total), slack=SLACK * (1 + 1 / smallest))


def _first_past(end: float, total: int) -> int:
    """Return the first update that fvcore counts as behind a boundary, which it moves by 1e-6."""
    return bisect.bisect_right(range(total), end, key=lambda t: t / total + 1e-6)


def _piece(
    part: Any, peak: float, total: int, where: tuple[int, int], clock: tuple[float, float]
) -> Schedule | None:
    """Return the updates first … first + n - 1 of a part, whose clock begins at a share."""
    (first, n), (start, share) = where, clock
    if _own_name(part) in _STEPS:
        return _listed(part, peak, [(x - start) / share for x in _places(first, n, total)])
    if _own_name(part) == "CompositeParamScheduler":
        return None
    move = _move(part, peak)
    begin, of = first - start * total, share * total
    if move is None or isinstance(move, rw.Hold):
        return move if move is None else dataclasses.replace(move, over=n)
    if abs(begin) < 1e-9 * total:
        begin = 0.0
    return None if begin < 0 else rw.Part(move, begin=begin, of=of, over=n)


def _places(first: int, n: int, total: int) -> list[float]:
    return [t / total for t in range(first, first + n)]


def _listed(part: Any, peak: float, places: list[float]) -> Schedule:
    try:
        values = np.array([float(part(place)) for place in places])
    except Exception as error:
        who = f"fvcore {type(part).__name__}"
        rule = f"fails inside its part of the run ({type(error).__name__}: {error})"
        raise ScheduleError(who, rule, "correct its lengths") from error
    move: Any = steps(values / peak)
    return dataclasses.replace(move, over=len(places))


FORMATS = (Format("fvcore", "a parameter scheduler of fvcore", _matches, guarded(_read)),)
