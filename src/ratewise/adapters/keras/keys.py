"""The keys of a plan, in the words of Keras' optimizers."""

from __future__ import annotations

from typing import Any

from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import nearest, number

ALIASES = {"lr": "learning_rate", "betas[0]": "beta_1", "betas[1]": "beta_2", "eps": "epsilon"}


def attributes(plan: Plan, optimizer: Any) -> dict[str, str]:
    """Return the attribute of the optimizer that each key of the plan stands for.

    Raises:
        ScheduleError: groups, which Keras' optimizers have not, or an attribute that is not there.
    """
    if plan.groups:
        rule = f"names groups, and a Keras {type(optimizer).__name__} has none"
        fix = "schedule keys of the optimizer as a whole"
        raise ScheduleError("Plan(groups=…)", rule, fix)
    found = {key: _attribute(key, optimizer) for key in plan.schedules()}
    for key, name in found.items():
        if list(found.values()).count(name) > 1:
            who = f"Plan({key}=…)"
            raise ScheduleError(who, f"and another key both mean {name}", "give one of them")
    return found


def _attribute(key: str, optimizer: Any) -> str:
    name = ALIASES.get(key, key)
    if key == "momentum" and hasattr(optimizer, "beta_1"):
        name = "beta_1"
    known = _numbers(optimizer)
    if name not in known:
        back = {attribute: short for short, attribute in ALIASES.items()}
        who = f"Plan({key}=…)" if key.isidentifier() else f"Plan(keys={{{key!r}: …}})"
        rule = f"is not a number of this {type(optimizer).__name__}"
        raise ScheduleError(who, rule, nearest(key, [back.get(k, k) for k in known]))
    return name


def _numbers(optimizer: Any) -> list[str]:
    """Return the attributes that hold a number, by what the optimizer says of itself."""
    # JAX refuses to clip by a traced number that it meets in a variable.
    fixed = ("clipvalue", "loss_scale_factor")
    return ["learning_rate", "weight_decay"] + [
        name
        for name, value in vars(optimizer).items()
        if not name.startswith("_") and name not in fixed and isinstance(value, float)
    ]


def base_value(key: str, name: str, plan: Plan, optimizer: Any) -> float:
    """Return the value at level 1 of a key other than the rate: the plan's or the optimizer's."""
    own = getattr(optimizer, name)
    if name == "momentum" and not own:
        rule = (
            f"finds momentum {own} in this {type(optimizer).__name__}, which then keeps no buffers"
        )
        raise ScheduleError("Plan(momentum=…)", rule, "make the optimizer with momentum=0.9")
    if key in plan.peak:
        return plan.peak[key]
    who = f"Plan({key}=…)"
    if not own:
        fix = f'give Plan(…, peak={{"{key}": 0.1}})'
        raise ScheduleError(who, f"multiplies a {name} of {own}", fix)
    return number(who, name, own, above=True)
