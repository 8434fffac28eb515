"""Names and arguments of other libraries, and what is written here in their place.

`NAMES` has whole schedules and `ARGUMENTS` single arguments. Both are plain data and functions of
plain data: no framework is imported, and nothing that a user wrote is evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ratewise.schedule.foreign_calls import Foreign, spell
from ratewise.schedule.foreign_more import ALSO as SECOND
from ratewise.schedule.foreign_more import MORE, fits
from ratewise.schedule.foreign_names import NAMES as FIRST
from ratewise.schedule.foreign_rest import REST, TWICE

NAMES = {**FIRST, **MORE, **REST}
"""Schedules by the name that they have elsewhere."""

ALSO = {
    name: (*SECOND.get(name, ()), *TWICE.get(name, ())) for name in dict.fromkeys([*SECOND, *TWICE])
}
"""Names that another library has too, with other arguments."""

ARGUMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("T_max", "decay_steps", "total_iters", "transition_steps"), ("over", "every")),
    **dict.fromkeys(("T_0", "step_size", "first_decay_steps"), ("every",)),
    **dict.fromkeys(("T_mult", "t_mul", "cycle_mul"), ("grow",)),
    **dict.fromkeys(("alpha", "min_lr_ratio", "min_lr_rate"), ("to", "floor", "low")),
    **dict.fromkeys(("gamma", "decay_rate"), ("rate", "factor")),
    **dict.fromkeys(("steps", "num_steps", "n_steps", "duration", "length"), ("over", "every")),
    "milestones": ("at",),
    "num_cycles": ("cycles", "times"),
    "start_factor": ("start",),
    "end_factor": ("to",),
    "monitor": ("metric",),
    "min_delta": ("threshold",),
}
"""Arguments by their names elsewhere: what they are called here, the first that a kind takes."""

RATES = ("eta_min", "min_lr", "lr_end", "end_lr", "lr_min", "end_value", "end_learning_rate")
"""Floors given as rates; here levels are shares of the peak."""

WARMUPS = ("warmup_steps", "num_warmup_steps", "warmup_iters", "warmup_ratio", "warmup_epochs")
TOTALS = ("num_training_steps", "total_steps", "max_steps", "steps_per_epoch")
PEAKS = (
    *("lr", "max_lr", "base_lr", "learning_rate", "initial_learning_rate", "init_value"),
    *("peak_value", "peak_lr", "peak"),
)
RUN = {
    **dict.fromkeys(
        ("T_max", "decay_steps", "total_iters", "lr_decay_iters", *TOTALS[:3], "max_iters"), "total"
    ),
    **dict.fromkeys(("steps_per_epoch", "updates_per_epoch"), "epoch"),
    **dict.fromkeys(PEAKS, "lr"),
    **dict.fromkeys(("batch_size", "samples_per_update"), "samples"),
}
"""What is told where a schedule is run, by its names elsewhere: what it is called here."""


def argument(key: str, value: Any, takes: Iterable[str], of: str = "") -> str:
    """Return what to write for an argument of theirs, given to `of`; "" if its name is not known.

    >>> argument("eta_min", 1e-5, ["to", "over"])
    'write to=…, the share of the peak: to = eta_min / lr = 1e-05 / lr'
    >>> argument("T_max", 100, ["to", "over"])
    'write over=100'
    """
    own = list(takes)
    for here in ARGUMENTS.get(key, ()):
        if here in own:
            return f"write {here}={spell(value)}"
    here = next((name for name in ("to", "floor", "low") if name in own), "")
    if key in RATES and here:
        return f"write {here}=…, the share of the peak: {here} = {key} / lr = {spell(value)} / lr"
    if key in WARMUPS and key not in own:
        length = spell(value)
        if type(value) in (int, float) and key == "warmup_ratio":
            length = f'"{value * 100:g}%"'
        if type(value) in (int, float) and key == "warmup_epochs":
            length = f'"{value:g} epochs"'
        if "warmup" in own:
            return f"write warmup={length}"
        return f"write Warmup({length})" + (" >> in front" if of != "Warmup" else "")
    if key in TOTALS:
        return (
            f"leave it out: the run has one length, total={spell(value)} where it is run or shown"
        )
    if key in PEAKS:
        return "leave it out: levels are shares of the peak, which is the optimizer's lr"
    return ""


def run_argument(key: str, value: Any, takes: Iterable[str]) -> str:
    """Return what to write for an argument of theirs where a schedule is run; "" if not known.

    >>> run_argument("T_max", 100, ["total"]), run_argument("eta_min", 0.1, ["total"])[:13]
    ('write total=…', 'write to=…, t')
    """
    if key in RUN and RUN[key] in takes:
        return f"write {RUN[key]}=…"
    told = argument(key, value, EVERYTHING)
    return f"{told}, in the schedule" if told.startswith("write") else told


def namesakes(name: str) -> tuple[Foreign, ...]:
    """Return what a name is elsewhere; several libraries may have it."""
    return (NAMES[name], *ALSO.get(name, ())) if name in NAMES else ()


def call(name: str, given: Mapping[str, Any], placed: Sequence[Any] = ()) -> tuple[str, str]:
    """Return whose a name is and what to write for its call; two empty texts if not known.

    >>> call("CosineAnnealingLR", {"T_max": 100})[1].partition(";")[0]
    'write Cosine(to=0, over=100)'
    """
    several = namesakes(name) or namesakes(name.lower())
    if not several:
        return "", ""
    known = [one for one in several if given.keys() <= {*one.names}] or several
    found = next((one for one in known if fits(one, given, len(placed))), known[0])
    return found.library, str(found.advice(given, placed))


EVERYTHING = ("over", "every", "at", "to", "rate", "factor", "grow", "cycles", "start", "metric")

TYPES = (
    *("lr_scheduler_type", "lr_scheduler", "lr_schedule", "lr_decay_style", "lr_policy"),
    *("scheduler_type", "scheduler_name", "scheduler", "schedule", "sched", "type", "name"),
)


def settings(pairs: Mapping[str, Any]) -> str:
    """Return what to write for settings such as those of a Trainer; "" if they say nothing.

    >>> settings({"lr_scheduler_type": "constant"})
    'write Hold()'
    """
    given = dict(pairs)
    kind = next((given.pop(key) for key in TYPES if key in given), None)
    more = given.pop("lr_scheduler_kwargs", {})
    given.update(more if isinstance(more, dict) else {})
    if kind is None and any(key in ("warmup_steps", "warmup_ratio") for key in given):
        kind = "linear"  # what the Trainer does unless told otherwise
    if kind is not None:
        return call(str(kind), given)[1]
    told = (argument(key, value, EVERYTHING) for key, value in given.items())
    return next((text for text in told if text), "")
