"""The SOLVER section of a detectron2 config, a YAML file.

Update t is at the share t/N of the run, N = MAX_ITER. A schedule of shares lies under a warm-up,
which leads from WARMUP_FACTOR of its first level to the level that it has where the warm-up ends.
"""

from __future__ import annotations

import ast
import bisect
import math
from collections.abc import Callable, Mapping
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, dig, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, looks_scheduled, names, section
from ratewise.convert.pieces.layout import ramp
from ratewise.convert.pieces.moves import Piece, changes, decay, floored, hold, part, stay
from ratewise.schedule import Piecewise, Plan, Product, ScheduleError
from ratewise.schedule.errors import nearest, shorten

_WHO = "detectron2 SOLVER"
_DEFAULTS: dict[str, Any] = {
    "LR_SCHEDULER_NAME": "WarmupMultiStepLR",
    "MAX_ITER": 40_000,
    "BASE_LR": 0.001,
    "BASE_LR_END": 0.0,
    "GAMMA": 0.1,
    "STEPS": (30_000,),
    "NUM_DECAYS": 3,
    "WARMUP_FACTOR": 0.001,
    "WARMUP_ITERS": 1000,
    "WARMUP_METHOD": "linear",
    "POLY_LR_POWER": 0.9,
    "POLY_LR_CONSTANT_ENDING": 0.0,
}
"""Those of its `config/defaults.py`, and of DeepLab's config."""
_USED = {
    "WarmupMultiStepLR": "STEPS GAMMA",
    "WarmupCosineLR": "BASE_LR_END",
    "WarmupStepWithFixedGammaLR": "GAMMA NUM_DECAYS",
    "WarmupPolyLR": "POLY_LR_POWER POLY_LR_CONSTANT_ENDING",
}
_ALWAYS = "LR_SCHEDULER_NAME MAX_ITER BASE_LR WARMUP_FACTOR WARMUP_ITERS WARMUP_METHOD"
_KEYS = "RESCALE_INTERVAL BIAS_LR_FACTOR REFERENCE_WORLD_SIZE"
_IN_BASES = ("BASE_LR", "MAX_ITER", "STEPS")
"""What every config that others build on says."""
_EPSILON = 1e-6
"""What fvcore adds to a share before it compares it."""


def _read(source: Any, ctx: RunFacts) -> Plan:
    if dig(source, "SOLVER") is None:
        raise ScheduleError("detectron2", "has no section SOLVER", "give the whole config")
    given = section(_WHO, dig(source, "SOLVER"))
    given = {name: value for name, value in given.items() if value is not None}
    _refuse(given)
    told = {}
    if ctx.total is not None or ctx.epochs is not None:
        told["MAX_ITER"] = ctx.need_total(_WHO)
    keys = Keys(_WHO, {**_DEFAULTS, **given, **told})
    name = keys.choice("LR_SCHEDULER_NAME", _USED)
    left_out = [k for k in names(_ALWAYS, _USED[name]) if k not in {**given, **told}]
    notes = _notes(keys, left_out, ctx, has_base=_has_base(source))
    peak = keys.number("BASE_LR", above=True)
    case = Case(keys, ctx.lasting(keys.whole("MAX_ITER", low=1)), peak, notes)
    plan = case.plan(*(_poly(case) if name == "WarmupPolyLR" else _composed(case, name)))
    factor = keys.number("BIAS_LR_FACTOR", 1.0)
    if factor == 1.0:
        return plan
    notes.append("Name the optimizer's group of biases to run this plan: bias.")
    groups = {"bias": Plan(lr=plan.lr, peak={"lr": peak * factor})}
    return Plan(lr=plan.lr, peak=plan.peak, groups=groups, notes=tuple(notes))


def _refuse(given: Mapping[str, Any]) -> None:
    """Refuse keys that look like a schedule and are not read, as other projects add them."""
    known = [*_DEFAULTS, *names(_KEYS)]
    for name in given:
        speaks = looks_scheduled(name.lower()) or {"LR", "MULTIPLIER", "POWER"} & {*name.split("_")}
        if name not in known and speaks:
            raise ScheduleError(_WHO, f"has the key {name}", nearest(name, known))


def _notes(keys: Keys, left_out: list[str], ctx: RunFacts, *, has_base: bool) -> list[str]:
    notes: list[str] = []
    missing = [name for name in left_out if name in _IN_BASES] if has_base else []
    if missing:
        rule = f"leaves {' and '.join(missing)} to its _BASE_, which is not here"
        raise ScheduleError(_WHO, rule, f"write {missing[0]} in it, or give the whole config")
    if left_out:
        values = ", ".join(f"{name}={keys.given[name]}" for name in left_out)
        other = "; its _BASE_, which is not here, may have others" if has_base else ""
        notes.append(f"Left out, so detectron2's own: {values}{other}.")
    reference = keys.whole("REFERENCE_WORLD_SIZE", 0)
    if reference and ctx.processes not in (None, reference):
        rule = f"scales its rate and lengths from {reference} to {ctx.processes:g} processes"
        raise ScheduleError(_WHO, rule, "write the scaled ones, and REFERENCE_WORLD_SIZE: 0")
    return notes


# Under a warm-up ----------------------------------------------------------------------------


Level = Callable[[float], float]
"""A schedule: the level at a share of the run."""


def _composed(case: Case, name: str) -> list[Piece]:
    """Return the warm-up and what is left of the schedule behind it."""
    keys, n = case.keys, case.run
    warmup, level = min(keys.whole("WARMUP_ITERS"), n), _LEVELS[name](case)
    rescaled, share = keys.flag("RESCALE_INTERVAL"), warmup / n
    first = bisect.bisect_right(range(n), share, key=lambda t: t / n + _EPSILON)
    start, top = keys.number("WARMUP_FACTOR") * level(0.0), level(0.0 if rescaled else share)
    climb = stay(start, first)
    if keys.choice("WARMUP_METHOD", ("linear", "constant")) == "linear" and warmup:
        climb = first, part(ramp(start, top), warmup)

    def at(t: int) -> float:
        return level((t / n - share) / (1 - share) if rescaled else t / n)

    if name != "WarmupCosineLR":
        return [climb, _stairs(at, first, n)]
    early = max(warmup - first, 0) if rescaled else 0  # where a long run's epsilon is an update
    begin, of = (first + early - warmup, n - warmup) if rescaled else (first, n)
    fall = part(decay("cosine", level(1.0)), of, begin)
    return [climb, *(stay(at(first + i), 1) for i in range(early)), (n - first - early, fall)]


def _stairs(at: Callable[[int], float], first: int, n: int) -> Piece:
    """Return the levels of a schedule of steps, each from the update where fvcore takes it."""
    found: dict[int, float] = {}
    t = first
    while t < n:
        found[t - first] = at(t)
        t = _next(at, t, n)
    return n - first, lambda over: Piecewise(changes(found), over=over)


def _next(at: Callable[[int], float], t: int, n: int) -> int:
    """Return the next update with another level, or n."""
    return bisect.bisect_right(range(n), False, lo=t, key=lambda k: at(k) != at(t))


def _multi_step(case: Case) -> Level:
    keys, n = case.keys, case.run
    written = keys.get("STEPS")
    try:
        written = ast.literal_eval(written) if isinstance(written, str) else written
    except (ValueError, SyntaxError):
        raise ScheduleError(_WHO, f"has STEPS={shorten(written)}", "write (…, …)") from None
    written = written if isinstance(written, list | tuple) else [written]
    steps = Keys(_WHO, {"STEPS": list(written)}).wholes("STEPS")
    kept = [step for step in steps if step <= n]
    if len(kept) < len(steps):
        case.notes.append(f"Steps behind MAX_ITER={n} play no part.")
    if kept != sorted({*kept}) or 0 in kept or n in kept or len(kept) >= n:
        rule = f"has STEPS={shorten(written)} and MAX_ITER={n}"
        raise ScheduleError(_WHO, rule, "let the steps rise, above 0 and below MAX_ITER")
    values = [keys.number("GAMMA") ** k for k in range(len(kept) + 1)]
    return lambda place: values[bisect.bisect_right(kept, int((place + _EPSILON) * n))]


def _fixed_gamma(case: Case) -> Level:
    gamma, count = case.keys.number("GAMMA", above=True), case.keys.whole("NUM_DECAYS", low=1)
    values = [1.0]
    for _ in range(count):
        values.append(values[-1] * gamma)

    def level(place: float) -> float:
        index = int((place + _EPSILON) * len(values))
        if index > count:
            rule = "asks for the level behind its last step, where detectron2 fails"
            raise ScheduleError(_WHO, rule, "give WARMUP_ITERS below MAX_ITER")
        return values[index]

    return level


def _cosine(case: Case) -> Level:
    low = case.keys.level("BASE_LR_END", case.peak)
    return lambda place: low + 0.5 * (1 - low) * (1 + math.cos(math.pi * place))


_LEVELS: Mapping[str, Callable[[Case], Level]] = {
    "WarmupMultiStepLR": _multi_step,
    "WarmupStepWithFixedGammaLR": _fixed_gamma,
    "WarmupCosineLR": _cosine,
}


# DeepLab's ----------------------------------------------------------------------------------


def _poly(case: Case) -> list[Piece]:
    """Return the product of a warm-up and a polynomial, and behind it the polynomial."""
    keys, n = case.keys, case.run
    warmup, factor = keys.whole("WARMUP_ITERS"), keys.number("WARMUP_FACTOR")
    whole = decay("polynomial", 0.0, power=keys.number("POLY_LR_POWER", above=True))
    linear = keys.choice("WARMUP_METHOD", ("linear", "constant")) == "linear"
    warmup = 0 if factor == 1 else warmup
    climb = part(decay("linear", 1.0, factor), warmup) if linear else hold(factor)
    first = min(warmup, n)
    rest = floored(part(whole, n, first), keys.number("POLY_LR_CONSTANT_ENDING", high=1.0))
    return [(first, lambda over: Product((climb(over), part(whole, n)(over)))), (n - first, rest)]


def _has_base(source: Any) -> bool:
    """Whether a file that it names was not there: it is still named, or stands for what is left."""
    named = isinstance(source, Mapping) and "_BASE_" in source
    return named or getattr(source, "rest", None) is not None


_MARKS = Marks(
    *marks("SOLVER.LR_SCHEDULER_NAME SOLVER.AMP"),
    FormatMark("", 3, lambda source: _has_base(source) and "SOLVER" in source),
    FormatMark("VERSION", 2),
    *marks("SOLVER.STEPS SOLVER.MAX_ITER", 1),
    FormatMark("SOLVER", -4, lambda found: not isinstance(found, Mapping)),
    *marks("SOLVER.LR_POLICY SOLVER.MAX_EPOCH SOLVER.MAX_EPOCHS SOLVER.SCHED", -20),
)
_FACTS = {"lr": "SOLVER.BASE_LR", "total": "SOLVER.MAX_ITER"}
_READS = " ".join(["_BASE_", *(f"SOLVER.{name}" for name in (*_DEFAULTS, *names(_KEYS)))])
FORMATS = (Format("detectron2", "detectron2 YAML", _MARKS, _read, _FACTS, _READS),)
