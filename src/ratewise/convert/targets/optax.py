"""Optax: a schedule function over `jax.numpy`, for `jit` and `vmap`."""

from __future__ import annotations

from collections.abc import Iterable

from ratewise.convert.targets._functions import Functions
from ratewise.convert.targets._levels import formulas
from ratewise.convert.targets._print import JAX
from ratewise.convert.targets._quote import docstring, identifier
from ratewise.convert.targets._text import Target, WritingJob, file, header
from ratewise.schedule.errors import ScheduleError

FACTORY = """\
def {name}schedule(peak{default}):
    {doc}

    def value(count):
        return peak * {name}level(jnp.asarray(count, jnp.int32))

    return value
"""

USUAL = {"lr": "learning_rate", "betas[0]": "b1", "betas[1]": "b2"}
"""Names in Optax of keys that have another one in PyTorch."""


def write(job: WritingJob) -> str:
    """Return the file."""
    if job.plan.groups and not job.approximate:
        fix = 'write each alone, write(plan.groups["…"], "optax"), for optax.multi_transform'
        raise ScheduleError("The plan", "has groups, which Optax knows by their own labels", fix)
    functions = Functions(JAX)
    factories: list[str] = []
    names = _names(job.plan.schedules())
    for key, schedule in job.plan.schedules().items():
        name = names[key]
        doc = f"Return the level of update `t`: what the peak of {key} is multiplied by."
        functions.add(f"{name}level", formulas(schedule), doc)
        peak = job.plan.peak.get(key)
        default = "" if peak is None else f"={peak!r}"
        doc = docstring(f"Return the schedule of {key}, whose value at level 1 is `peak`.")
        factories.append(FACTORY.format(name=name, default=default, doc=doc))
    groups = ", ".join(map(repr, job.plan.groups))
    left_out = [f"Left out: groups {groups}."] if groups else []
    top = header("Schedules for Optax, over updates.", job, [*left_out, *_use(job)])
    math = "import math\n\n" if any("math." in text for text in functions.texts) else ""
    return file(top, f"{math}import jax.numpy as jnp", *functions.texts, *factories)


def _names(keys: Iterable[str]) -> dict[str, str]:
    """Return what the names of the functions of each key begin with: nothing for the rate."""
    names: dict[str, str] = {}
    for key in keys:
        names[key] = "" if key == "lr" else identifier(key, names.values(), "_")
    return names


def _use(job: WritingJob) -> list[str]:
    arguments: list[str] = []
    for key, name in _names(job.plan.schedules()).items():
        peak = "" if key in job.plan.peak else "peak=…"
        word = USUAL.get(key, name.removesuffix("_") or key)
        arguments.append(f"{word}={name}schedule({peak})")
    if list(job.plan.schedules()) == ["lr"]:
        return ["Use, in the optimizer that you train with:", f"    {arguments[0]}"]
    lines = ["Use (Adam calls its momentum b1):", "    optimizer = optax.inject_hyperparams("]
    return [*lines, "        optax.sgd", f"    )({', '.join(arguments)})"]


TARGET = Target("optax", "Optax code", write)
