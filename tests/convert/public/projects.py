"""What other projects do at update t, written down from their own sources.

Every function returns the rate of an update, counted from 0, in plain Python; where the project's
class is installed it is asked.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from tests.convert.configs import formulas_axolotl, formulas_composer, formulas_fairseq
from tests.convert.configs.formulas_mmengine import Scheduler, trace
from tests.convert.configs.formulas_nemo import rate as nemo_rate

Rate = Callable[[int], float]


def cosine(p: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * p))


def told(rates: Sequence[float]) -> Rate:
    """The rates of a list."""
    return lambda t: rates[t]


def always(rate: float) -> Rate:
    return lambda t: rate


# Transformers, and who uses it ----------------------------------------------------------------


def trainer(peak: float, total: int, warmup: int, kind: str = "cosine", **kwargs: Any) -> Rate:
    """The multiplier that `get_scheduler` of Transformers makes."""
    import torch
    from transformers import get_scheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=peak)
    made: Any = get_scheduler(kind, optimizer, warmup, total, scheduler_specific_kwargs=kwargs)
    return lambda t: peak * made.lr_lambdas[0](t)


def warmup_steps(total: int, ratio: float) -> int:
    """The warm-up of `TrainingArguments` for a share of the run."""
    from transformers import TrainingArguments

    given = TrainingArguments(output_dir="none", warmup_steps=ratio, report_to=[], use_cpu=True)
    return given.get_warmup_steps(total)


def diffusers_restarts(peak: float, total: int, warmup: int, cycles: int) -> Rate:
    def rate(t: int) -> float:
        if t < warmup:
            return peak * t / max(1, warmup)
        p = (t - warmup) / max(1, total - warmup)
        return 0.0 if p >= 1 else peak * max(0.0, cosine((cycles * p) % 1.0))

    return rate


def axolotl_quadratic(peak: float, total: int, warmup: int) -> Rate:
    return told([peak * x for x in formulas_axolotl.quadratic(total, total, warmup)])


def axolotl_jagged(peak: float, total: int, warmup: int, every: int, again: int) -> Rate:
    """Restarts on top of a cosine: both are asked for the next step."""
    inner = trainer(peak, total, warmup)
    scale = formulas_axolotl.jagged(total, every, again, 1, 0.001, 1)
    return lambda t: inner(t + 1) * scale[t]


# Large models ---------------------------------------------------------------------------------


def olmo(peak: float, warmup: float, end: float, least: float, is_linear: bool = False) -> Rate:
    """OLMo, in updates; the count of an update begins at 1."""

    def rate(t: int) -> float:
        now = t + 1
        if now < warmup:
            return least + (peak - least) * now / warmup
        if now >= end:
            return 0.1 * peak
        done = (now - warmup) / (end - warmup)
        return peak * (0.1 + 0.9 * (1 - done if is_linear else cosine(done)))

    return rate


def maxtext(peak: float, steps: int, warmup: int, final: float) -> Rate:
    """MaxText's cosine, whose last update is at the final fraction."""

    def rate(t: int) -> float:
        if t < warmup:
            return peak * t / warmup
        weight = cosine((t - warmup) / (steps - warmup - 1))
        return peak * (weight + final * (1 - weight))

    return rate


def megatron(
    peak: float, low: float, size: int, warmup: float, decay: float, kind: str = "cosine"
) -> Rate:
    """Megatron's clock counts samples, of which an update has `size`."""

    def rate(t: int) -> float:
        x = t * size
        if warmup > 0 and x <= warmup:
            return peak * x / warmup
        if x > decay:
            return low
        p = (x - warmup) / (decay - warmup)
        return low + (peak - low) * (cosine(p) if kind == "cosine" else 1 - p)

    return rate


def gpt_neox(peak: float, low: float, end: int, share: float) -> Rate:
    """GPT-NeoX's cosine; the first update counts as the second."""
    warmup = share * end

    def rate(t: int) -> float:
        if warmup > 0 and t <= warmup:
            return peak * max(1, t) / warmup
        p = (t - warmup) / (end - warmup)
        return max(low, low + (peak - low) * cosine(p))

    return rate


def nanogpt(peak: float, low: float, warmup: int, end: int) -> Rate:
    def rate(t: int) -> float:
        if t < warmup:
            return peak * (t + 1) / (warmup + 1)
        if t > end:
            return low
        return low + cosine((t - warmup) / (end - warmup)) * (peak - low)

    return rate


def composer(peak: float, warmup: int, end: int, kind: str, last: float) -> Rate:
    return lambda t: peak * formulas_composer.warmed(t, warmup, end, kind, last=last)


def factors_root(warmup: int) -> Rate:
    """T5X: constant * rsqrt_decay, the constant being 1."""
    return lambda t: 1 / math.sqrt(max(t, warmup))


# Speech, translation, vision --------------------------------------------------------------------


def nemo(kind: str, peak: float, low: float, steps: int, **shape: Any) -> Rate:
    return lambda t: nemo_rate(kind, t, peak, low, steps, **shape)


def fairseq(name: str, *arguments: Any) -> Rate:
    function = getattr(formulas_fairseq, name)
    return lambda t: function(t, *arguments)


def mmengine(total: int, base: float, *schedulers: Scheduler) -> Rate:
    return told(_traced(total, base, schedulers))


def _traced(total: int, base: float, schedulers: tuple[Scheduler, ...]) -> list[float]:
    return trace(total, base, list(schedulers))


linear_window = functools.partial(Scheduler, "Linear")
multi_step = functools.partial(Scheduler, "MultiStep")
poly = functools.partial(Scheduler, "Poly")
