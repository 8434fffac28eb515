"""The `optim.sched` of a NeMo config.

NeMo's policies warm up at (t + 1)/(W + 1) up to and with update W, and are at `min_lr` behind
update max_steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ratewise.convert.configs import _nemo_holds as holds
from ratewise.convert.configs._keys import Keys, dig, section
from ratewise.convert.configs._nemo_case import Case, behind, warm
from ratewise.convert.configs._pieces import Piece, climb, floored, hold, part, whole
from ratewise.convert.formats import Context, Format
from ratewise.schedule import (
    Cosine,
    ExponentialDecay,
    Linear,
    Plan,
    Polynomial,
    Power,
    ScheduleError,
    Step,
)
from ratewise.schedule.errors import Fix

_IDLE = "Update 0 runs at rate 0 and changes nothing."


# Policies -----------------------------------------------------------------------------------


def _warmup(case: Case) -> Plan:
    _, rise = warm(case)
    known = case.keys.has("max_steps")
    return case.plan(*rise, (None, hold(1.0)), after=case.low() if known else None)


def _decay(case: Case, move: Any, low: float, *, clip: bool) -> Plan:
    """Return a warm-up and a decay from update W to max_steps."""
    warmup, rise = warm(case)
    rest = case.steps - warmup
    if rest <= 0:
        return case.plan(*rise, (None, hold(low)), after=low)
    fall = part(move, rest)  # update W is at the peak by either formula
    return case.plan(*rise[:1], (None, floored(fall, low) if clip else fall), after=low)


def _linear(case: Case) -> Plan:
    low = case.low()
    return _decay(case, Linear(to=low, start=1.0), low, clip=False)


def _square(case: Case) -> Plan:
    return _decay(case, Polynomial(0.0, 2.0, start=1.0), case.low(1e-5), clip=True)


def _square_root(case: Case) -> Plan:
    warmup, rise = warm(case)
    low = case.low()
    if warmup:
        case.notes.append(
            f"The decay is counted from update 0, so the rate jumps down at update {warmup + 1}."
        )
    fall = floored(part(Polynomial(0.0, 0.5, start=1.0), case.steps, behind(warmup)), low)
    return case.plan(*rise, (None, fall), after=low)


def _polynomial(case: Case) -> Plan:
    low, power = case.low(), case.keys.number("power", 1.0, above=True)
    return _decay(case, Polynomial(low, power, start=1.0), low, clip=False)


def _cosine(case: Case) -> Plan:
    low, stay = case.low(), case.length("constant")
    if not stay:
        return _decay(case, Cosine(to=low, start=1.0), low, clip=False)
    warmup = case.length("warmup")
    rest = case.steps - stay - warmup
    if rest < 1:
        rule = f"has {case.steps} steps, of which {warmup} warm up and {stay} are constant"
        raise ScheduleError(case.keys.who, rule, "leave some for the decay")
    rise: Piece = (warmup, climb(warmup)) if warmup else (0, hold())
    if warmup:
        case.notes.append(f"{_IDLE} Without constant steps it would be at 1/{warmup + 1}.")
    fall = part(Cosine(to=low, start=1.0), rest)
    return case.plan(rise, (rest, fall), (None, hold(low)))


def _inverse_root(case: Case) -> Plan:
    warmup, rise = warm(case)
    begin = behind(warmup)
    start = ((warmup + 1) / (begin + 1)) ** 0.5
    root = whole(Power(0.5, every=begin + 1, start=start))
    return case.plan(*rise, (None, root), after=case.low())


def _t5(case: Case) -> Plan:
    keys = case.keys
    if keys.has("constant_ratio"):
        rule = "fails with constant_ratio"
        raise ScheduleError(keys.who, rule, "give constant_steps")
    stay = keys.whole("constant_steps", low=1)
    rate = stay**-0.5
    low = keys.number("min_lr", 0.0) / rate
    case.notes.append("The rate is 1/√t of itself; the optimizer's lr plays no part.")
    root = whole(Power(0.5, every=stay, start=1.0))
    first = stay if stay <= case.steps else stay + 1  # the constant goes before the floor
    case = Case(keys, case.ctx, rate, case.notes)
    return case.plan((first, hold(1.0)), (None, root), after=low)


def _noam(case: Case) -> Plan:
    keys, warmup = case.keys, case.length("warmup")
    scale = float(keys.whole("d_model", low=1)) ** -0.5
    size = max(warmup, 1)
    rate = None if case.rate is None else case.rate * scale * size**-0.5
    if rate is None:
        rule = "multiplies lr by d_model^-0.5 and its own shape"
        raise ScheduleError(keys.who, rule, Fix("give lr", "give lr, or call read(…, lr=…)"))
    low = keys.number("min_lr", 0.0) / rate
    case.notes.append("Updates 0 and 1 run at the same rate; max_steps plays no part.")
    first: Piece = (1, hold(1 / size) if warmup else hold(max(1.0, low)))
    rise: Piece = (warmup - 1, climb(warmup, begin=1)) if warmup > 1 else (0, hold())
    top: Piece = (1, hold(1.0)) if warmup and low > 1 else (0, hold())  # the floor begins behind it
    past = size + (top[0] or 0)
    root = Power(0.5, every=past, start=(size / past) ** 0.5)
    case = Case(keys, case.ctx, rate, case.notes)
    return case.plan(first, rise, top, (None, floored(whole(root), low)))


# Policies of PyTorch ------------------------------------------------------------------------


def _torch_step(case: Case) -> Plan:
    size, factor = case.keys.whole("step_size", low=1), case.keys.number("gamma", 0.1)
    return case.plan((None, whole(Step(factor, every=size, start=1.0))))


def _torch_exponential(case: Case) -> Plan:
    epoch = case.ctx.need(case.keys.who, "epoch")
    if epoch.denominator != 1:
        raise ScheduleError(case.keys.who, "needs epoch as a whole number", "give an int")
    rate = case.keys.number("gamma", above=True)
    return case.plan((None, whole(ExponentialDecay(rate, every=int(epoch), staircase=True))))


# The format ---------------------------------------------------------------------------------

_WARM = ("warmup_steps", "warmup_ratio")
_HOLD = (*_WARM, "hold_steps", "hold_ratio")
_STAY = ("constant_steps", "constant_ratio")
_KINDS: dict[str, tuple[Callable[[Case], Plan], tuple[str, ...]]] = {
    "WarmupPolicy": (_warmup, _WARM),
    "WarmupHoldPolicy": (holds.stay, _HOLD),
    "WarmupAnnealing": (_linear, _WARM),
    "WarmupHoldAnnealLinear": (holds.linear, _HOLD),
    "WarmupHoldAnnealOneMinusSquareRoot": (holds.root, _HOLD),
    "SquareAnnealing": (_square, _WARM),
    "SquareRootAnnealing": (_square_root, _WARM),
    "CosineAnnealing": (_cosine, (*_WARM, *_STAY)),
    "NoamAnnealing": (_noam, (*_WARM, "d_model")),
    "NoamHoldAnnealing": (holds.noam, (*_HOLD, "decay_rate")),
    "InverseSquareRootAnnealing": (_inverse_root, _WARM),
    "T5InverseSquareRootAnnealing": (_t5, _STAY),
    "PolynomialDecayAnnealing": (_polynomial, (*_WARM, "power", "cycle")),
    "PolynomialHoldDecayAnnealing": (holds.polynomial, (*_HOLD, "power", "cycle")),
    "StepLR": (_torch_step, ("step_size", "gamma")),
    "ExponentialLR": (_torch_exponential, ("gamma",)),
}
_TORCH = ("StepLR", "ExponentialLR")
_COMMON = (
    "name",
    "args",
    "max_steps",
    "min_lr",
    "last_epoch",
    "monitor",
    "reduce_on_plateau",
    "iters_per_batch",
    "t_max_epochs",
    "t_accumulate_grad_batches",
    "t_limit_train_batches",
    "t_num_workers",
)


def _optim(source: Any) -> Any:
    """Return the `optim` section, wherever it lies."""
    for path in (("model", "optim"), ("optim",), ()):
        found = dig(source, *path)
        if isinstance(dig(found, "sched"), Mapping):
            return found
    return {"sched": source}


def _read(source: Any, ctx: Context) -> Plan:
    optim = _optim(source)
    found = section("nemo sched", dig(optim, "sched"))
    name = Keys("nemo sched", found).word("name", _KINDS, "policy")
    build, known = _KINDS[name]
    who = f"nemo {name}"
    given = {**found, **section(who, found.get("args") or {})}
    keys = Keys(who, {key: value for key, value in given.items() if key != "args"})
    keys.only((*_COMMON, *known))
    if given.get("max_steps") == -1:
        raise ScheduleError(who, "has max_steps=-1, with which there is no schedule", "give it")
    rate = None if name.startswith("T5") else Keys("nemo optim", {"lr": dig(optim, "lr")}).rate(ctx)
    return build(Case(keys, ctx, rate, []))


def _matches(source: Any) -> bool:
    optim = _optim(source)
    name = dig(optim, "sched", "name")
    bare = optim.get("sched") is source
    return isinstance(name, str) and name in _KINDS and not (bare and name in _TORCH)


FORMATS = (Format("nemo", "NeMo optim.sched", _matches, _read),)
