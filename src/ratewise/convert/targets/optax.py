"""Optax: a schedule function over `jax.numpy`, for `jit` and `vmap`."""

from __future__ import annotations

from ratewise.convert.targets._functions import Functions
from ratewise.convert.targets._levels import formulas
from ratewise.convert.targets._print import JAX, called
from ratewise.convert.targets._text import Target, WritingJob, file, header
from ratewise.schedule.errors import ScheduleError

FACTORY = '''\
def {name}schedule(peak{default}):
    """Return the schedule of {what}, whose value at level 1 is `peak`."""

    def value(count):
        return peak * {name}level(jnp.asarray(count, jnp.int32))

    return value
'''

USUAL = {"lr": "learning_rate", "betas[0]": "b1", "betas[1]": "b2"}
"""Names in Optax of keys that have another one in PyTorch."""


def write(job: WritingJob) -> str:
    """Return the file."""
    if job.plan.groups and not job.approximate:
        fix = 'write each alone, write(plan.groups["…"], "optax"), for optax.multi_transform'
        raise ScheduleError("The plan", "has groups, which Optax knows by their own labels", fix)
    functions = Functions(JAX)
    factories: list[str] = []
    levels = job.plan.schedules()
    for key, schedule in levels.items():
        name = "" if key == "lr" else f"{called(key)}_"
        doc = f"Return the level of update `t`: what the peak of {key} is multiplied by."
        functions.add(f"{name}level", formulas(schedule), doc)
        peak = job.plan.peak.get(key)
        default = "" if peak is None else f"={peak!r}"
        factories.append(FACTORY.format(name=name, default=default, what=key))
    left_out = [f"Left out: groups {', '.join(job.plan.groups)}."] if job.plan.groups else []
    top = header("Schedules for Optax, over updates.", job, [*left_out, *_use(job)])
    math = "import math\n\n" if any("math." in text for text in functions.texts) else ""
    return file(top, f"{math}import jax.numpy as jnp", *functions.texts, *factories)


def _use(job: WritingJob) -> list[str]:
    arguments: list[str] = []
    for key in job.plan.schedules():
        name = "" if key == "lr" else f"{called(key)}_"
        peak = "" if key in job.plan.peak else "peak=…"
        word = USUAL.get(key, called(key))
        arguments.append(f"{word}={name}schedule({peak})")
    if list(job.plan.schedules()) == ["lr"]:
        return ["Use:", f"    optimizer = optax.adamw({arguments[0]})"]
    lines = ["Use (Adam calls its momentum b1):", "    optimizer = optax.inject_hyperparams("]
    return [*lines, "        optax.sgd", f"    )({', '.join(arguments)})"]


TARGET = Target("optax", "Optax code", write)
