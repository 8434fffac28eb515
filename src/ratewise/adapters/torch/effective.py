"""How far the optimizer's last update went, per unit of gradient, parameter by parameter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ratewise.adapters.torch.adaptive import unwrap
from ratewise.adapters.torch.effective_formulas import (
    FORMULAS,
    STATELESS,
    Sample,
    flat_view,
    widest,
)
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import number, shorten, whole
from ratewise.schedule.strict import strict

SAMPLE = 4096
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class GroupRate:
    """The effective rates of one group, on the device.

    Args:
        name: The group's own name, or its number.
        lr: The group's learning rate, as it stands there.
        rates: A sample of its effective rates, ascending, float64[n]; None before there are any.
        elements: How many weights the sample stands for.
    """

    name: str
    lr: float | Tensor
    rates: Tensor | None = field(repr=False)
    elements: int

    def quantiles(self, quantiles: Sequence[float] = QUANTILES) -> Tensor:
        """Return quantiles of the rates, each in [0, 1], float64[k], on the device.

        Between two elements of the sample it is interpolated; NaN before there are any.
        """
        for q in quantiles:
            number(f"quantiles({shorten(quantiles)})", "every quantile", q, high=1)
        if self.rates is None:
            return torch.full((len(quantiles),), math.nan, dtype=torch.float64)
        if not quantiles:
            return self.rates[:0]
        return torch.stack([_between(self.rates, q * (len(self.rates) - 1)) for q in quantiles])


@dataclass(frozen=True, eq=False)
class EffectiveRate:
    """The effective rates of an optimizer, group by group, on the device.

    Args:
        optimizer: Name of the optimizer's class.
        groups: One entry per group, in the optimizer's order.
    """

    optimizer: str
    groups: tuple[GroupRate, ...]

    def read(self, quantiles: Sequence[float] = QUANTILES) -> dict[str, dict[str, float]]:
        """Return {group: {"lr": …, "5%": …, "50%": …}}, read from the device in one go."""
        rows = table_of(self, quantiles).tolist()
        columns = columns_of(quantiles)
        named = zip(self.groups, rows, strict=True)
        return {group.name: dict(zip(columns, row, strict=True)) for group, row in named}


@strict
def effective_rate(optimizer: Optimizer, *, sample: int = SAMPLE) -> EffectiveRate:
    """Return the distribution of the rates that the last update in fact used, weight by weight.

    Adaptive optimizers take a step of their own for every weight. The effective rate r of a
    weight is what the mean gradient ḡ was multiplied with: Δw = −r·ḡ, weight decay aside, where ḡ
    is the mean of gradients that the optimizer itself forms (m̂ for Adam). So all optimizers
    speak the same unit: for SGD with momentum μ it is lr/(1 − μ), for Adam lr/(√v̂ + ε). Known are
    SGD, RMSprop, Adagrad, Adam, AdamW, NAdam, RAdam, Adamax, Adafactor (also Transformers'),
    Prodigy, and the schedule-free SGD, AdamW and RAdam, of which it is the rate of the point z.

    Nothing is read from the device: the result stays there until its `read()` is called. Only
    elements of a sample are computed, always the same ones, spread over the group; weights that
    have had no update are left out, and before the first update there are no rates (NaN when
    read), except for SGD. Where weights are spread over processes, these are the ones here. For
    Adafactor's clipping gradients have to be there still: call it before `zero_grad`.

    Args:
        optimizer: The optimizer, or a wrapper of Accelerate or Lightning around it.
        sample: The most elements to look at in a group, at least 1.

    Raises:
        ScheduleError: an optimizer that is not known; a wrong rate would be worse than none.

    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(3))], lr=0.01, momentum=0.9)
    >>> effective_rate(optimizer).read(quantiles=[0.5])
    {'0': {'lr': 0.01, '50%': 0.1...}}
    """
    inner = unwrap("effective_rate", optimizer)
    size = whole(f"effective_rate(sample={shorten(sample)})", "the sample", sample, low=1)
    kind = known_kind("effective_rate", inner)
    names = _names(inner.param_groups)
    groups = zip(names, inner.param_groups, strict=True)
    with torch.no_grad():
        parts = tuple(_group(kind, name, group, inner.state, size) for name, group in groups)
    return EffectiveRate(type(inner).__name__, parts)


def known_kind(who: str, optimizer: Optimizer) -> str:
    """Return the key of an optimizer's formula.

    Raises:
        ScheduleError: there is none.
    """
    for kind in type(optimizer).__mro__:
        name = f"{kind.__module__.partition('.')[0]}.{kind.__name__}"
        if name in FORMULAS:
            return name
    rule = f"does not know how {type(optimizer).__name__} steps"
    known = ", ".join(sorted({name.partition(".")[2] for name in FORMULAS}))
    raise ScheduleError(who, rule, f"give one of {known}")


def columns_of(quantiles: Sequence[float]) -> list[str]:
    """Return the names of a row's values, "lr", "5%", "50%" and so on."""
    return ["lr", *(f"{100 * q:.6g}%" for q in quantiles)]


def table_of(rate: EffectiveRate, quantiles: Sequence[float]) -> Tensor:
    """Return lr and quantiles of every group, float64[groups, 1 + k], on the device."""
    cells = [group.quantiles(quantiles) for group in rate.groups]
    device = next((g.rates.device for g in rate.groups if g.rates is not None), torch.device("cpu"))
    rows = [
        torch.cat([_fill(group.lr, 1, device), cell.to(device)])
        for group, cell in zip(rate.groups, cells, strict=True)
    ]
    return torch.stack(rows)


def _fill(value: float | Tensor, count: int, device: torch.device) -> Tensor:
    """Return `count` values on a device: those given, or the one given as often."""
    if isinstance(value, Tensor):
        return value.detach().reshape(-1).to(device, widest(device)).expand(count)
    return torch.full((count,), value, dtype=widest(device), device=device)


def _names(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    own = [group.get("name") for group in groups]
    alone = [isinstance(n, str) and own.count(n) == 1 and not n.isdigit() for n in own]
    return [str(own[i]) if alone[i] else str(i) for i in range(len(own))]


def _group(
    kind: str, name: str, group: Mapping[str, Any], state: Mapping[Any, Any], size: int
) -> GroupRate:
    states = [(p, dict(state.get(p, {}))) for p in group["params"]]
    if kind not in STATELESS:
        states = [(p, own) for p, own in states if own]
    counts = [flat_view(p).numel() for p, _ in states]
    parts: list[Tensor] = []
    for (p, own), count, take in zip(states, counts, shares_of(counts, size), strict=True):
        if take:
            at = spread_indices(count, take, flat_view(p).device)
            rates = FORMULAS[kind](group, Sample(p, own, at))
            parts.append(_fill(rates, len(at), at.device))
    lr = group["lr"] if group["lr"] is not None else math.nan  # Transformers' Adafactor
    if not parts:
        return GroupRate(name, lr, None, 0)
    together = torch.cat([part.to(parts[0].device) for part in parts])
    return GroupRate(name, lr, together.sort().values, sum(counts))


def shares_of(counts: Sequence[int], size: int) -> list[int]:
    """Return how many elements to take of each parameter: all, or `size` in proportion."""
    total = sum(counts)
    if total <= size:
        return list(counts)
    ends = [0]
    for count in counts:
        ends.append(ends[-1] + count)
    return [ends[i + 1] * size // total - ends[i] * size // total for i in range(len(counts))]


def spread_indices(count: int, take: int, device: torch.device) -> Tensor:
    """Return `take` different indices below `count`, spread evenly, the same every time.

    Multiples of about 0.618·count, modulo count: no two are equal, as the step has no factor in
    common with the count, and no row or column of a matrix is met more often than the others.
    """
    if take == count:
        return torch.arange(count, device=device)
    step = max(1, round(count * 0.6180339887498949))
    while math.gcd(step, count) != 1:
        step += 1
    return torch.arange(take, device=device) * step % count


def _between(ascending: Tensor, position: float) -> Tensor:
    low = math.floor(position)
    high = min(low + 1, len(ascending) - 1)
    return torch.lerp(ascending[low], ascending[high], position - low)
