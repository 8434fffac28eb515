"""What a choice hands over: a plan for the optimizer that it was measured with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ratewise.schedule import Plan, Schedule, ScheduleError, parse
from ratewise.schedule.meant import groups_meant
from ratewise.tasks.failures import TaskError, name_of, users_code
from ratewise.tasks.protocols import GroupShare, Parts
from ratewise.view.format import format_rate


@dataclass(frozen=True)
class TaskOptimizer:
    """The optimizer that a task makes, as far as a choice speaks of it.

    A choice is a factor on its rates: what it hands over keeps the ratios between the groups, and
    leaves everything else of them alone.

    Args:
        name: Name of its class, or None if the task does not tell.
        groups: What each group gets of the rate that is searched; empty if that is all of it.
        framework: What trains it, "torch", "transformers", "lightning", "keras", "optax" or "".
        known: Whether it is known what the groups get.

    Raises:
        ScheduleError: a group that has a rate of its own cannot be told by name or place.
    """

    name: str | None = None
    groups: tuple[GroupShare, ...] = ()
    framework: str = ""
    known: bool = True

    def __post_init__(self) -> None:
        self.shares()

    @classmethod
    def of(cls, task: Any) -> TaskOptimizer:
        """Return what a task tells of its optimizer, by `parts()` if it has them."""
        if not hasattr(task, "parts"):
            return cls()
        try:
            with users_code(name_of(task)):
                parts = Parts(*task.parts())
        except TaskError:  # what can only be made where it is trained, and trains there
            return cls(known=False)
        name = None if parts.optimizer is None else type(parts.optimizer).__name__
        several = {float(one["lr"]) for one in getattr(parts.optimizer, "param_groups", ())}
        known = bool(parts.groups) or len(several) < 2
        return cls(name, parts.groups, parts.framework, known)

    def shares(self) -> dict[str, float]:
        """Return the shares other than 1 by the keys of `Plan.groups` that mean those groups."""
        names = [group.name for group in self.groups]
        each = enumerate(self.groups)
        return {_key(i, names): group.share for i, group in each if group.share != 1}

    def plan(self, schedule: Schedule, peak: float) -> Plan:
        """Return the plan that gives every group the rates that were measured."""
        groups = {
            key: Plan(lr=schedule, peak={"lr": peak * share})
            for key, share in self.shares().items()
        }
        return Plan(lr=schedule, peak={"lr": peak}, groups=groups, notes=self.notes(peak))

    def notes(self, peak: float) -> tuple[str, ...]:
        """Return what to know of it, each a sentence."""
        if not self.known:
            return (_UNKNOWN,)
        if self.name is None:
            return ()
        rate = "" if self.shares() else f", at a rate of {peak!r}"
        told = f"Measured with the task's own optimizer: {self.name}, made as in the task{rate}."
        return (told, self.peaks(peak)) if self.shares() else (told,)

    def peaks(self, peak: float) -> str:
        """Return the peaks of the groups, as a sentence."""
        own = [f"{key!r} at {format_rate(peak * share)}" for key, share in self.shares().items()]
        rest = f"the others at {format_rate(peak)}"
        return f"Its groups keep their ratios, by name or place: {', '.join(own)}, {rest}."

    def snippet(self, schedule: Schedule, peak: float, total: int) -> list[str]:
        """Return two lines of code that give this optimizer the rates that were measured."""
        plan = self.plan(schedule, peak)
        plan = Plan(lr=plan.lr, peak=plan.peak, groups=plan.groups)
        face, name, call = _FACES.get(self.framework, _FACES["torch"])
        try:
            written = parse(str(plan)) == plan
        except ScheduleError:  # a function of Python is in it
            written = False
        text = repr(str(plan)) if written else "choice.plan"
        return [f"from ratewise.{face} import {name}", call.format(f"{text}, total={total}")]

    def use(self, schedule: Schedule, peak: float, total: int) -> list[str]:
        """Return how to use a schedule with it; the lines that begin with a blank are code."""
        kind = "your optimizer" if self.name is None else f"the task's own optimizer, {self.name}"
        return [
            f"With ratewise, for {kind}, made as in the task; the plan sets its rates:",
            "",
            *(f"    {line}" for line in self.snippet(schedule, peak, total)),
            "",
            f"The same, from here: {_FROM_HERE.get(self.framework, _FROM_HERE[''])}. Without "
            'ratewise: choice.code("torch"), or "transformers", "keras", "optax", "lightning".',
        ]

    def attach(self, target: Any, schedule: Schedule, peak: float, **options: Any) -> Any:
        """Make a Trainer, or a module of Lightning, follow a schedule as it was measured.

        Raises:
            ScheduleError: it is neither.
        """
        kinds = {
            (kind.__name__, kind.__module__.partition(".")[0]) for kind in type(target).__mro__
        }
        for (name, packages), face in _ATTACHED.items():
            if any((name, package) in kinds for package in packages):
                found: Any = import_module(f"ratewise.{face}")
                return found.attach(target, self.plan(schedule, peak), **options)
        rule = "is neither a Trainer of Transformers nor a module of Lightning"
        fix = "give one, or call choice.scheduler(optimizer)"
        raise ScheduleError("Choice.attach", rule, fix, given=target)

    def scheduler(self, optimizer: Any, schedule: Schedule, peak: float, **options: Any) -> Any:
        """Return the scheduler that gives an optimizer of PyTorch the rates that were measured."""
        found: Any = import_module("ratewise.torch")
        return found.Scheduler(optimizer, self.plan(schedule, peak), **options)


_UNKNOWN = (
    "Make the optimizer as in the task. What its groups get of this rate is not known: if they "
    "have rates of their own, each needs its own peak, Plan(groups=…)."
)

_FACES = {
    "torch": ("torch", "Scheduler", "scheduler = Scheduler(optimizer, {})"),
    "transformers": ("transformers", "attach", "attach(trainer, {})"),
    "lightning": ("lightning", "attach", "attach(module, {})"),
    "keras": ("keras", "Callback", "callback = Callback({})  # model.fit(…, callbacks=[callback])"),
    "optax": ("optax", "schedule", "learning_rate = schedule({})"),
}
"""For each framework: the face of ratewise, what it is asked for, and the call."""

_FROM_HERE = {
    "torch": "choice.scheduler(optimizer)",
    "transformers": "choice.attach(trainer)",
    "lightning": "choice.attach(module)",
    "keras": "Callback(choice.plan, total=choice.total)",
    "optax": "schedule(choice.plan, total=choice.total)",
    "": "choice.scheduler(optimizer), in Keras Callback(choice.plan, total=choice.total), in Optax "
    "schedule(choice.plan, total=choice.total)",
}
"""The same with a choice at hand; "" is a task that does not say what trains it."""

_ATTACHED = {
    ("Trainer", ("transformers",)): "transformers",
    ("LightningModule", ("lightning", "pytorch_lightning")): "lightning",
}
"""What can be attached to, by the name of its class and the packages that have it, and the face."""


def _key(index: int, names: Sequence[Any]) -> str:
    """Return the key of `Plan.groups` that means this group and no other: its name, or its place.

    Raises:
        ScheduleError: there is none.
    """
    own = names[index]
    for key in ([own] if isinstance(own, str) and own else []) + [str(index)]:
        try:
            if groups_meant(key, names) == [index]:
                return key
        except ScheduleError:
            continue  # the name of one and the place of another
    rule = f"has a rate of its own, and neither its name {own!r} nor its place means it alone"
    fix = "give the groups names that are no numbers"
    raise ScheduleError(f"Group {index} of the task's optimizer", rule, fix)
