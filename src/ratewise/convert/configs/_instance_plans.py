"""The plan of a scheduler that a config names, by the readers of live ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from ratewise.convert.configs import _timm_classes as timm
from ratewise.convert.configs import _torch_classes as torch
from ratewise.convert.configs import _transformers_functions as transformers
from ratewise.convert.configs import nemo
from ratewise.convert.configs._instances import ClassKeys, Instance, instance
from ratewise.convert.formats import RunFacts, ask
from ratewise.convert.live._curves import KeyLevels, by_epoch, epochs, plan_of
from ratewise.convert.live._described import DescribedOptimizer, DescribedScheduler
from ratewise.convert.live._feedback import plateau
from ratewise.convert.live.timm import read as read_timm
from ratewise.convert.live.torch import read as read_torch
from ratewise.convert.pieces.keys import Keys
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import nearest, shorten
from ratewise.schedule.given import read_plan

_WORDS = {"update": "update", "step": "update", "epoch": "epoch"}
_TIMM = (
    "timm's schedulers are told the epoch or update: read as its own loop does, which tells the "
    "coming one."
)


@dataclass(frozen=True)
class Interval:
    """How often the scheduler is stepped, as far as the config says.

    Attributes:
        word: "step" or "epoch", or None.
        every: Only every so many of them.
        metric: What a scheduler that listens is shown.
        note: What to know of it.
    """

    word: Any = None
    every: int = 1
    metric: Any = None
    note: str = ""


def plan_of_instance(found: Instance, ctx: RunFacts, rate: float | None, at: Interval) -> Plan:
    """Return the plan of a scheduler on an optimizer with this rate.

    Without a rate the plan has no peak, unless the levels depend on it.

    Raises:
        ScheduleError: the class is on no list, an argument is wrong, or something has to be told.
    """
    family, name = found.family
    if family not in _FAMILIES:
        refuse(found)
    read = _FAMILIES[family]
    if rate is not None:
        return read(found, name, ctx, rate, at)
    plan, other = (read(found, name, ctx, peak, at) for peak in (1.0, 2.0))
    if plan == other or name in torch.OWN_RATES:
        return plan
    if plan.lr != other.lr:
        rule = f"has absolute rates in {shorten(name)}, and no rate of the optimizer"
        raise ScheduleError(found.path or name, rule, ask("lr"))
    return replace(plan, peak={key: peak for key, peak in plan.peak.items() if key != "lr"})


def refuse(found: Instance) -> NoReturn:
    """Refuse a class that is on no list, by its name."""
    what = f"names {shorten(found.name, 80)}"
    if found.name.endswith(("LambdaLR", "MultiplicativeLR")):
        rule = f"{what}, whose function a config does not hold"
        raise ScheduleError(found.path, rule, "read the live object")
    rule = f"{what}, which looks like a schedule and is not known"
    raise ScheduleError(found.path, rule, "make it and read the live object")


# How often it is stepped ----------------------------------------------------------------------


def _stepped(who: str, ctx: RunFacts, at: Interval, notes: list[str]) -> tuple[str, RunFacts]:
    """Return "update" or "epoch", and the facts of a run whose epochs are its intervals."""
    told = ctx.more.get("interval")
    word = at.word if told is None else told
    if word is None:
        rule = "does not say whether it is stepped once per update or once per epoch"
        raise ScheduleError(who, rule, ask("interval", " as 'update' or 'epoch'"))
    if not isinstance(word, str) or word not in _WORDS:
        raise ScheduleError(who, f"has interval={shorten(word)}", nearest(word, _WORDS))
    interval = _WORDS[word]
    if told is None and at.note:
        notes.append(at.note)
    if interval == "update" and at.every != 1:
        rule = f"is stepped every {at.every} batches, counted anew in every epoch"
        raise ScheduleError(who, rule, "give frequency: 1")
    if interval == "epoch":
        size = ctx.need(who, "epoch")
        ctx.need_total(who)
        ctx = replace(ctx, horizon=replace(ctx.horizon, epoch=size * at.every))
    return interval, ctx


def _check_every(found: Instance, at: Interval) -> None:
    if at.every != 1:
        raise ScheduleError(found.path, f"has frequency={at.every}", "give 1")


# Families -----------------------------------------------------------------------------------


def _nested(ctx: RunFacts) -> torch.Nested:
    def make(value: Any, optimizer: DescribedOptimizer) -> DescribedScheduler:
        found = instance("schedulers", value)
        if found is None or found.family[0] != "torch":
            what = shorten(value) if found is None else found.name
            rule = f"holds {what}, which is no scheduler of PyTorch that is known"
            raise ScheduleError("schedulers", rule, "make it and read the live object")
        if found.family[1] == torch.PLATEAU:
            rule = f"hold {torch.PLATEAU}, which listens to a metric: PyTorch shows it none there"
            raise ScheduleError("schedulers", rule, "write Warmup(…) >> Plateau(…)")
        return torch.describe(found.family[1], ClassKeys.of(found, ctx), optimizer, _nested(ctx))

    return make


def _torch(found: Instance, name: str, ctx: RunFacts, rate: float, at: Interval) -> Plan:
    notes: list[str] = []
    keys = ClassKeys.of(found, ctx)
    if name == torch.PLATEAU:
        _check_every(found, at)
        return _listening(found, keys, ctx, rate, at)
    made = torch.describe(name, keys, DescribedOptimizer(rate), _nested(ctx))
    interval, ctx = _stepped(keys.who, ctx, at, notes)
    _check_end(keys.who, made, epochs(ctx.horizon) if interval == "epoch" else ctx.total)
    plan = read_torch(made, replace(ctx, more={"interval": interval}))
    return replace(plan, notes=(*notes, *plan.notes))


def _listening(found: Instance, keys: ClassKeys, ctx: RunFacts, rate: float, at: Interval) -> Plan:
    told = ctx.more.get("metric")
    metric = found.given.get("monitor", at.metric) if told is None else told
    if not isinstance(metric, str):
        raise ScheduleError(keys.who, "does not say what it listens to", ask("metric"))
    note = f"It listens to {metric!r}: show it to `observe` under that name."
    return plateau(keys.who, torch.plateau(keys), rate, metric, note)


def _check_end(who: str, made: DescribedScheduler, run: int | None) -> None:
    """Refuse a run that goes on behind the end of a one-cycle, where PyTorch fails."""
    end = getattr(made, "total_steps", None)
    if end is not None and run is not None and run > end:
        rule = f"ends after {end} steps and has {run} to run"
        raise ScheduleError(who, rule, f"give total_steps={run}, or a shorter run")


def _transformers(found: Instance, name: str, ctx: RunFacts, rate: float, at: Interval) -> Plan:
    notes: list[str] = []
    keys = ClassKeys.of(found, ctx)
    interval, ctx = _stepped(keys.who, ctx, at, notes)
    by_update = interval == "update"
    run = ctx.total if by_update else epochs(ctx.horizon)
    lr, more = transformers.levels(name, keys, rate, run)
    if by_update:
        return Plan(lr=lr, peak={"lr": rate}, notes=(*notes, *more))
    values = by_epoch(ctx.horizon, rate * lr.resolve(run).values())
    return plan_of(keys.who, [{"lr": KeyLevels(rate, None, values)}], [None], (*notes, *more))


def _timm(found: Instance, name: str, ctx: RunFacts, rate: float, at: Interval) -> Plan:
    made = timm.describe(name, ClassKeys.of(found, ctx), DescribedOptimizer(rate))
    _check_every(found, at)
    plan = read_timm(made, ctx)
    return replace(plan, notes=(_TIMM, *plan.notes))


def _nemo(found: Instance, name: str, ctx: RunFacts, rate: float, at: Interval) -> Plan:
    """Return the plan of a policy of NeMo, which its recipes step once per update."""
    notes: list[str] = []
    own = {key: found.given[key] for key in ("interval", "frequency") if key in found.given}
    policy = name.removesuffix("Scheduler") if name not in nemo.POLICIES else name
    keys = ClassKeys.of(found, ctx)
    given = {key: value for key, value in keys.given.items() if key not in own}
    if policy != name:
        left = {k: v for k, v in nemo.LIGHTNINGS.get(policy, {}).items() if k not in given}
        given = {**left, **given}
        if left:
            said = ", ".join(f"{key}={value:g}" for key, value in left.items())
            notes.append(f"Left out, so {name}'s own: {said}.")
    word = own.get("interval", at.word or "step")
    every = Keys(found.path, own).whole("frequency", at.every, low=1)
    interval, ctx = _stepped(keys.who, ctx, Interval(word, every), notes)
    if interval == "epoch":
        rule = "is stepped once per epoch, and counts its lengths in steps"
        raise ScheduleError(keys.who, rule, "give interval: step")
    return nemo.policy_plan(policy, given, ctx, rate, notes)


def _ratewise(found: Instance, name: str, ctx: RunFacts, rate: float, at: Interval) -> Plan:
    """Return our own plan, whose clock is the optimizer's updates whatever the interval."""
    if name == "Scheduler":
        ClassKeys.of(found, ctx).only("schedule total epoch samples tokens resume").need("schedule")
    inner: Any = (
        found.given.get("schedule") if name == "Scheduler" else {**found.given, "type": name}
    )
    fix = "write schedule as a text such as 'Warmup(500) >> Cosine(to=0.1)'"
    plan = read_plan(found.path, _form(inner), fix)
    return plan if plan.peak.get("lr") else replace(plan, peak={**plan.peak, "lr": rate})


def _form(value: Any) -> Any:
    """Return a schedule of ours that is named by its classes in the form of `to_dict`."""
    if isinstance(value, list):
        return [_form(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    found = instance("schedule", value)
    if found is None:
        return {key: _form(each) for key, each in value.items()}
    family, name = found.family
    if family != "ratewise" or name not in Schedule.kinds:
        raise ScheduleError("schedule", f"names {found.name}", "name a schedule of ratewise")
    return {"type": name, **{key: _form(each) for key, each in found.given.items()}}


_FAMILIES = {
    "torch": _torch,
    "transformers": _transformers,
    "timm": _timm,
    "nemo": _nemo,
    "ratewise": _ratewise,
}
