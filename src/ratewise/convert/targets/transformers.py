"""Transformers: keywords of `TrainingArguments`, or a scheduler that a `Trainer` is given."""

from __future__ import annotations

import numpy as np

from ratewise.convert.targets import torch
from ratewise.convert.targets._huggingface import TrainerType, candidates, levels
from ratewise.convert.targets._levels import formulas
from ratewise.convert.targets._nodes import Number
from ratewise.convert.targets._quote import literal
from ratewise.convert.targets._text import Target, WritingJob, file, header

LONGEST = 2_000_000
"""Updates up to which a plan is compared with the types of Transformers."""

USE = [
    "Use, with the optimizer that you train with:",
    "    trainer = Trainer(…, optimizers=(optimizer, make_scheduler(optimizer)))",
]

OWN = """\
They make the Trainer's own optimizer. To one that it is given, "learning_rate" is nothing:
    Trainer(…, args, optimizers=(optimizer, None)), an optimizer with lr={peak!r}"""


def write(job: WritingJob) -> str:
    """Return keywords where one of the types is the plan, else code."""
    named = find(job)
    if named is not None:
        return _keywords(job, named)
    top = header("Learning rates for a Trainer, one for each update.", job, USE)
    return file(top, *torch.body(job))


def find(job: WritingJob) -> TrainerType | None:
    """Return the type that gives the same rates in a run of this length, if there is one."""
    plan = job.plan
    if list(plan.schedules()) != ["lr"] or plan.groups or plan.lr is None:
        return None
    if job.total is None:
        nodes = [span.node for span in formulas(plan.lr).spans]
        return TrainerType("constant") if nodes == [Number(1.0)] else None
    if not 1 <= job.total <= LONGEST:
        return None
    wanted = plan.lr.values(job.total)
    peak = plan.peak.get("lr")
    for named in candidates(wanted, peak):
        given = levels(named, job.total, 1.0 if peak is None else peak)
        if np.allclose(given, wanted, rtol=1e-12, atol=1e-15):
            return named
    return None


def _keywords(job: WritingJob, named: TrainerType) -> str:
    lines = [f'"lr_scheduler_type": {literal(named.kind)},']
    if "lr" in job.plan.peak:
        lines.insert(0, f'"learning_rate": {job.plan.peak["lr"]!r},')
    if named.warmup:
        lines.append(f'"warmup_steps": {named.warmup},')
    if job.total is not None:
        lines.append(f'"max_steps": {job.total},')
    if named.more:
        inner = ", ".join(f"{literal(k)}: {_literal(v)}" for k, v in named.more.items())
        lines.append(f'"lr_scheduler_kwargs": {{{inner}}},')
    use = ["Use:", "    args = TrainingArguments(output_dir=…, **arguments)"]
    if "lr" in job.plan.peak:
        use += OWN.format(peak=job.plan.peak["lr"]).splitlines()
    top = header("Learning rates for a Trainer, as a type that it knows.", job, use)
    return f"{top}\n\narguments = {{\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def _literal(value: object) -> str:
    return literal(value) if isinstance(value, str) else repr(value)


TARGET = Target("transformers", "TrainingArguments, or code for a Trainer", write)
