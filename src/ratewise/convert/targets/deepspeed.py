"""DeepSpeed: a "scheduler" of its JSON config, where one of its types is the plan."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise._printable import printable
from ratewise.convert.targets._deepspeed import RATES, DeepSpeedType, candidates, nearest
from ratewise.convert.targets._text import Target, WritingJob, about, only_rate
from ratewise.schedule.errors import Fix, ScheduleError

LONGEST = 5_000_000
_TYPES = "WarmupLR, WarmupDecayLR, WarmupCosineLR and OneCycle"


def write(job: WritingJob) -> str:
    """Return the JSON; keys at its top that DeepSpeed does not know, it does not read."""
    fix = "write it for torch and give DeepSpeed that scheduler"
    rate, left_out = only_rate(job, "DeepSpeed's JSON", fix)
    assert rate is not None
    if job.total is None:
        raise ScheduleError(
            "The plan",
            "has no end, for DeepSpeed",
            Fix("give {total}", "call write(…, total=…)", total="…"),
        )
    if job.total > LONGEST:
        rule = f"has {job.total:,} updates"
        raise ScheduleError("The plan", rule, f"DeepSpeed is compared up to {LONGEST:,}")
    wanted = rate.values(job.total)
    peak = job.plan.peak.get("lr")
    named = find(wanted, peak)
    if named is not None:
        return _text(job, named, peak, left_out)
    if not job.approximate:
        raise _refusal(wanted, peak)
    named, error = nearest(wanted, peak is not None)
    note = f"The nearest that was found: at worst {error:.3g} of the peak away from the plan."
    return _text(job, named, peak, [note, *left_out])


def find(wanted: Floats, peak: float | None) -> DeepSpeedType | None:
    """Return the type that gives these levels at every update, if there is one."""
    t = np.arange(len(wanted))
    for named in candidates(wanted):
        known = peak is not None or not any(key in RATES for key in named.params)
        if known and np.allclose(named.levels(t), wanted, rtol=1e-12, atol=1e-15):
            return named
    return None


def _refusal(wanted: Floats, peak: float | None) -> ScheduleError:
    if peak is None and find(wanted, 1.0) is not None:
        fix = 'give it, Plan(lr=…, peak={"lr": 3e-4})'
        return ScheduleError("The plan", "has no peak, and DeepSpeed writes absolute rates", fix)
    rule = f"is none of DeepSpeed's types ({_TYPES}), whose update 0 is at the lowest rate"
    fix = Fix("use {approximate} for the nearest, or write it for torch", approximate="True")
    return ScheduleError("The plan", rule, fix)


def _text(job: WritingJob, named: DeepSpeedType, peak: float | None, notes: list[str]) -> str:
    params: dict[str, Any] = {
        key: _rate(value * peak) if key in RATES and peak is not None else value
        for key, value in named.params.items()
    }
    if named.kind == "WarmupCosineLR":
        own = "the peak" if peak is None else f"{peak!r}"
        notes = [*notes, f"The optimizer's own rate is to be {own}."]
    comment = [printable(line.strip()) for line in [*about(job), *notes] if line.strip()]
    config = {"_comment": comment, "scheduler": {"type": named.kind, "params": params}}
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def _rate(value: float) -> float:
    return float(f"{value:.15g}")


TARGET = Target("deepspeed", "DeepSpeed JSON", write)
