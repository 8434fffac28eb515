"""The scheduler classes of PyTorch by the arguments that a config gives them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from ratewise.convert.live._described import DescribedOptimizer, DescribedScheduler
from ratewise.convert.pieces.keys import Keys
from ratewise.schedule import ScheduleError

_COMMON = "last_epoch verbose"
"""Arguments that change no rate, as long as a run starts at its beginning."""

Nested = Callable[[Any, DescribedOptimizer], DescribedScheduler]
"""Makes a scheduler that lies in the arguments of another one."""
_Maker = Callable[[Keys, DescribedOptimizer], dict[str, Any]]


def _step(keys: Keys, o: DescribedOptimizer) -> dict[str, Any]:
    return {"step_size": keys.whole("step_size", low=1), "gamma": keys.number("gamma", 0.1)}


def _multi_step(keys: Keys, o: DescribedOptimizer) -> dict[str, Any]:
    at = Counter(keys.wholes("milestones"))
    return {"milestones": at, "gamma": keys.number("gamma", 0.1)}


def _constant(keys: Keys, o: DescribedOptimizer) -> dict[str, Any]:
    factor = keys.number("factor", 1 / 3, high=1.0)
    return {"factor": factor, "total_iters": keys.whole("total_iters", 5)}


def _linear(keys: Keys, o: DescribedOptimizer) -> dict[str, Any]:
    return {
        "start_factor": keys.number("start_factor", 1 / 3, high=1.0, above=True),
        "end_factor": keys.number("end_factor", 1.0, high=1.0),
        "total_iters": keys.whole("total_iters", 5),
    }


def _exponential(keys: Keys, o: DescribedOptimizer) -> dict[str, Any]:
    return {"gamma": keys.number("gamma")}


def _polynomial(keys: Keys, o: DescribedOptimizer) -> dict[str, Any]:
    return {"total_iters": keys.whole("total_iters", 5), "power": keys.number("power", 1.0)}


def _cosine(keys: Keys, o: DescribedOptimizer) -> dict[str, Any]:
    return {"T_max": keys.whole("T_max", low=1), "eta_min": keys.number("eta_min", 0.0)}


def _restarts(keys: Keys, o: DescribedOptimizer) -> dict[str, Any]:
    kept = {
        name: keys.whole(name, default, low=1) for name, default in (("T_0", None), ("T_mult", 1))
    }
    return {**kept, "eta_min": keys.number("eta_min", 0.0)}


def _cyclic(keys: Keys, o: DescribedOptimizer) -> dict[str, Any]:
    up = keys.number("step_size_up", 2000.0, above=True)
    size = up + keys.number("step_size_down", up)
    mode = keys.choice("mode", ("triangular", "triangular2", "exp_range"), "triangular")
    gamma = keys.number("gamma", 1.0)
    scales = {"triangular": lambda x: 1.0, "triangular2": lambda x: 1 / 2.0 ** (x - 1)}
    low = keys.number("base_lr")
    o.param_groups[0].update(lr=low, initial_lr=low)
    momentum = _momentum(keys, o, 0.8, 0.9)
    return {
        "base_lrs": [low],
        "max_lrs": [keys.number("max_lr")],
        "total_size": size,
        "step_ratio": up / size,
        "mode": mode,
        "gamma": gamma,
        "scale_mode": "iterations" if mode == "exp_range" else "cycle",
        "scale_fn": scales.get(mode, lambda x: gamma**x),
        **momentum,
    }


def _momentum(keys: Keys, o: DescribedOptimizer, low: float, high: float) -> dict[str, Any]:
    """Return what is kept of the momentum, which runs against the rate unless told not to."""
    low, high = keys.number("base_momentum", low), keys.number("max_momentum", high)
    o.param_groups[0].update(base_momentum=low, max_momentum=high)
    cycles = keys.flag("cycle_momentum", True)
    return {"cycle_momentum": cycles, "base_momentums": [low], "max_momentums": [high]}


def _one_cycle(keys: Keys, o: DescribedOptimizer) -> dict[str, Any]:
    steps, share = _cycle_steps(keys), keys.number("pct_start", 0.3, high=1.0)
    three = keys.flag("three_phase")
    high = keys.number("max_lr", above=True)
    first = high / keys.number("div_factor", 25.0, above=True)
    end = first / keys.number("final_div_factor", 1e4, above=True)
    o.param_groups[0].update(lr=first, initial_lr=first, max_lr=high, min_lr=end)
    ends = [float(share * steps) - 1, float(steps - 1)]
    if three:
        ends.insert(1, float(2 * share * steps) - 2)
    rates = ["initial_lr", "max_lr", *(["initial_lr"] if three else []), "min_lr"]
    momenta = [f"{end}_momentum" for end in ("max", "base", "max", "max")]
    phases = [
        {
            "end_step": end,
            "start_lr": rates[i],
            "end_lr": rates[i + 1],
            "start_momentum": momenta[i],
            "end_momentum": momenta[i + 1],
        }
        for i, end in enumerate(ends)
    ]
    return {
        "base_lrs": [first],
        "total_steps": steps,
        "_schedule_phases": phases,
        "_anneal_func_type": keys.choice("anneal_strategy", ("cos", "linear"), "cos"),
        **_momentum(keys, o, 0.85, 0.95),
    }


def _cycle_steps(keys: Keys) -> int:
    """Return `total_steps`, which counts more than the two that stand for it."""
    if keys.has("total_steps"):
        return keys.whole("total_steps", low=1)
    if keys.has("epochs") or keys.has("steps_per_epoch"):
        return keys.whole("epochs", low=1) * keys.whole("steps_per_epoch", low=1)
    return keys.whole("total_steps", low=1)


def _swa(keys: Keys, o: DescribedOptimizer) -> dict[str, Any]:
    o.param_groups[0]["swa_lr"] = keys.number("swa_lr")
    is_linear = keys.choice("anneal_strategy", ("cos", "linear"), "cos") == "linear"
    return {
        "anneal_epochs": keys.whole("anneal_epochs", 10),
        "anneal_func": (lambda t: t) if is_linear else (lambda t: t * t * (3 - 2 * t)),
    }


def plateau(keys: Keys) -> dict[str, Any]:
    """Return the settings of a plateau, complete."""
    keys.only("mode factor patience threshold threshold_mode cooldown min_lr eps monitor verbose")
    return {
        "mode": keys.choice("mode", ("min", "max"), "min"),
        "factor": keys.number("factor", 0.1),
        "patience": keys.whole("patience", 10),
        "threshold": keys.number("threshold", 1e-4),
        "threshold_mode": keys.choice("threshold_mode", ("rel", "abs"), "rel"),
        "cooldown": keys.whole("cooldown", 0),
        "min_lr": keys.number("min_lr", 0.0),
        "eps": keys.number("eps", 1e-8),
    }


_CLASSES: dict[str, tuple[str, _Maker]] = {
    "StepLR": ("step_size gamma", _step),
    "MultiStepLR": ("milestones gamma", _multi_step),
    "ConstantLR": ("factor total_iters", _constant),
    "LinearLR": ("start_factor end_factor total_iters", _linear),
    "ExponentialLR": ("gamma", _exponential),
    "PolynomialLR": ("total_iters power", _polynomial),
    "CosineAnnealingLR": ("T_max eta_min", _cosine),
    "CosineAnnealingWarmRestarts": ("T_0 T_mult eta_min", _restarts),
    "CyclicLR": (
        "base_lr max_lr step_size_up step_size_down mode gamma cycle_momentum base_momentum "
        "max_momentum",
        _cyclic,
    ),
    "OneCycleLR": (
        "max_lr total_steps epochs steps_per_epoch pct_start anneal_strategy cycle_momentum "
        "base_momentum max_momentum div_factor final_div_factor three_phase",
        _one_cycle,
    ),
    "SWALR": ("swa_lr anneal_epochs anneal_strategy", _swa),
}
_LISTS = {"SequentialLR": "schedulers milestones", "ChainedScheduler": "schedulers"}
PLATEAU = "ReduceLROnPlateau"
NAMES = (*_CLASSES, *_LISTS, PLATEAU)
OWN_RATES = ("CyclicLR", "OneCycleLR")
"""Classes that overwrite the rate that the optimizer was made with."""


def describe(
    name: str, keys: Keys, optimizer: DescribedOptimizer, nested: Nested
) -> DescribedScheduler:
    """Return a scheduler of one of `NAMES` as its constructor would leave it.

    Raises:
        ScheduleError: an argument is not known, missing, or out of its interval.
    """
    if name in _LISTS:
        return DescribedScheduler(name, optimizer, **_list(name, keys, optimizer, nested))
    known, make = _CLASSES[name]
    keys.only(known, _COMMON)
    _check_start(keys)
    return DescribedScheduler(name, optimizer, **make(keys, optimizer))


def _list(name: str, keys: Keys, optimizer: DescribedOptimizer, nested: Nested) -> dict[str, Any]:
    keys.only(_LISTS[name], _COMMON)
    _check_start(keys)
    inner = [nested(each, optimizer) for each in keys.items("schedulers")]
    if not inner:
        raise ScheduleError(keys.who, "has no schedulers", "give some")
    if name != "SequentialLR":
        return {"_schedulers": inner}
    at = keys.wholes("milestones")
    if len(at) != len(inner) - 1:
        rule = f"has {len(inner)} schedulers and {len(at)} milestones"
        raise ScheduleError(keys.who, rule, "give one milestone less than schedulers")
    return {"_schedulers": inner, "_milestones": at}


def _check_start(keys: Keys) -> None:
    if keys.get("last_epoch", -1) != -1:
        rule = f"has last_epoch={keys.given['last_epoch']}, which is for a run that goes on"
        raise ScheduleError(keys.who, rule, "leave it out")
