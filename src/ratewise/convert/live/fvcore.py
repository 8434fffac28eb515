"""Reading the parameter schedulers of fvcore.

They give a value at a share of the run: update t uses the value at t/total. Floats are read as
they are, as rates; the plan's peak is the largest that the scheduler is made of.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.convert.formats import Context, Format
from ratewise.convert.live._curves import Curve, needs_run
from ratewise.convert.live._fvcore_shapes import STEPS, constants, own_name, shape
from ratewise.convert.live._groups import plan_of
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import shorten

__all__ = ["FORMATS"]


def _matches(source: Any) -> bool:
    return own_name(source) != ""


def _read(source: Any, context: Context) -> Plan:
    """Return the plan of a scheduler.

    Raises:
        ScheduleError: it goes below 0, fvcore fails, or it needs a total and none is given.
    """
    who, total = f"fvcore {type(source).__name__}", context.total
    if own_name(source) in (*STEPS, "CompositeParamScheduler", "ParamScheduler"):
        total = context.need_total(who)
    peak = max((float(value) for value in constants(source)), default=0.0)
    formula = shape(source, peak, total) if peak > 0 else None
    values = None
    if total is not None and needs_run([formula], total):
        values = _values(who, source, total)
    return plan_of(who, [{"lr": Curve(peak, formula, values)}], [None])


def _values(who: str, source: Any, total: int) -> Floats:
    out = np.empty(total)
    for t in range(total):
        try:
            out[t] = source(t / total)
        except Exception as error:
            rule = f"fails at update {t} of {total} ({type(error).__name__}: {shorten(str(error))})"
            raise ScheduleError(who, rule, "correct its settings") from error
    return out


FORMATS = (Format("fvcore", "a parameter scheduler of fvcore", _matches, _read),)
