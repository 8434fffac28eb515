"""The right clock and wrong numbers: peak, floor, group, precision, and another shape."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.audit.evidence import Explanation, LogEvidence, ratio
from ratewise.audit.intended import Intended
from ratewise.audit.layout import PlanParts, begun_high, joined, stretched
from ratewise.audit.lengths import each
from ratewise.schedule import Cosine, Exponential, Hold, Linear, Polynomial, Sqrt

WORLD = 1024
"""Most processes by which a rate is taken to be multiplied."""
SHAPES: dict[str, Any] = {
    "Linear": Linear,
    "Cosine": Cosine,
    "Sqrt": Sqrt,
    "Polynomial": Polynomial,
    "Exponential": Exponential,
    "Hold": None,
}
"""What a decay may have been in place of another."""
FEWEST_GROUPS, MOST_GROUPS = 2, 5
"""Groups whose orders are tried."""


def is_power(scale: float) -> bool:
    """Whether a factor is a number of processes that people have."""
    whole = round(scale)
    return 2 <= whole <= WORLD and abs(scale - whole) < 1e-6 * whole and whole & (whole - 1) == 0


def with_scale(
    e: LogEvidence, base: Explanation, processes: float | None, more: float
) -> Explanation | None:
    """Return a hypothesis that was scaled to the log as one of a wrong peak, or None."""
    scale = base.scale
    if not np.isfinite(scale) or scale <= 0 or abs(scale - 1) < 1e-5:
        return None
    world = is_power(scale) if processes is None else abs(scale - processes) < 1e-6 * processes
    kind = "world_size" if world else "wrong_peak"
    told: dict[str, Any] = {"factor": scale}
    if np.isfinite(e.intended.peaks[0]):
        told["peak"] = float(e.intended.peaks[0]) * scale
    if world:
        told = {"processes": round(scale)}
    joined_kind = kind if base.kind == "as_meant" else f"{base.kind}+{kind}"
    assumed = base.assumed + (0.8 if world else 1.5) + more
    return dataclasses.replace(
        base, kind=joined_kind, parameters={**base.parameters, **told}, assumed=assumed
    )


def bases(e: LogEvidence) -> Iterator[Explanation]:
    """The plan as it was meant, in each convention."""
    for shift in e.shifts:
        yield e.explain("as_meant", {}, 0.0, shifts=(shift,))


def one_group(e: LogEvidence) -> Iterator[Explanation]:
    """A wrong peak in one group or several, each by a factor of its own."""
    if e.intended.groups >= FEWEST_GROUPS:
        for base in bases(e):
            yield from _one_group(e, base)


def _one_group(e: LogEvidence, base: Explanation) -> Iterator[Explanation]:
    scales = [
        ratio(e.rates[:, group], base.expected[:, group], e.tolerance[:, group])
        for group in range(e.intended.groups)
    ]
    wrong = [group for group, scale in enumerate(scales) if abs(scale - 1) > 1e-5]
    if not wrong or e.same_scale(np.array(scales)):
        return
    expected = base.expected * np.array(scales)
    hits = e.hits(expected)
    names = e.recorded.groups
    told = {"groups": tuple(names[i] for i in wrong), "factors": tuple(scales[i] for i in wrong)}
    yield dataclasses.replace(
        base, kind="wrong_peak", parameters=told, assumed=1.2 + 0.5 * len(wrong),
        expected=expected, hits=hits, share=e.share(hits), clock=None, intended=None,
    )  # fmt: skip


def wrong_group(e: LogEvidence, others: Floats | None = None) -> Iterator[Explanation]:
    """Groups that changed places, or one rate for all of them."""
    for base in bases(e):
        yield from _wrong_group(e, base, others)


def _wrong_group(e: LogEvidence, base: Explanation, others: Floats | None) -> Iterator[Explanation]:
    count = e.intended.groups
    if count == 1 and others is not None:
        yield from _of_another(e, base, others)
        return
    if not FEWEST_GROUPS <= count <= MOST_GROUPS or not np.isfinite(e.intended.peaks).all():
        return
    names = e.recorded.groups
    orders = [
        order for order in itertools.permutations(range(count)) if list(order) != [*range(count)]
    ]
    orders += [(i,) * count for i in range(count)]
    for order in orders[:150]:
        expected = base.expected[:, list(order)]
        if np.allclose(expected, base.expected, rtol=1e-9, atol=0):
            continue
        hits = e.hits(expected)
        one = len(set(order)) == 1
        told: dict[str, Any] = {"all_like": names[order[0]]} if one else {
            "order": tuple(names[i] for i in order)
        }  # fmt: skip
        yield dataclasses.replace(
            base, kind="wrong_group", parameters=told, assumed=0.7 + 0.1 * (not one),
            expected=expected, hits=hits, share=e.share(hits), clock=None, intended=None,
        )  # fmt: skip


def _of_another(e: LogEvidence, base: Explanation, others: Floats) -> Iterator[Explanation]:
    """The rate of a group that the plan has and the log was not meant to show."""
    peak = float(e.intended.peaks[0])
    for other in np.unique(others[np.isfinite(others)]):
        if not np.isfinite(peak) or abs(other - peak) <= 1e-9 * peak:
            continue
        expected = base.expected * (float(other) / peak)
        hits = e.hits(expected)
        yield dataclasses.replace(
            base, kind="wrong_group", parameters={"peak": float(other)}, assumed=0.7,
            expected=expected, hits=hits, share=e.share(hits), clock=None, intended=None,
        )  # fmt: skip


def floors(e: LogEvidence) -> Iterator[Explanation]:
    """A floor taken for a ratio of the peak where it is a rate, or the other way round."""
    plan = e.intended
    peak = float(plan.peaks[0])
    if plan.given is not None:
        return

    def floored(level: float) -> Intended | None:
        def change(p: PlanParts) -> Any:
            last = p.rest[-1] if p.rest else None
            place = next((i for i in range(len(p.rest) - 1, -1, -1)
                          if isinstance(getattr(p.rest[i], "to", None), float)), None)  # fmt: skip
            if last is None or place is None or level < 0:
                return None
            rest = list(p.rest)
            rest[place] = dataclasses.replace(rest[place], to=level)
            return p.put(p.climb, rest)

        return each(plan, change, plan.total)

    now = _floor_of(plan)
    if now is None:
        return
    if np.isfinite(peak) and now > 0:
        for kind, level in (("floor_as_ratio", now * peak), ("floor_as_value", now / peak)):
            made = floored(level)
            if made is not None:
                told = {"floor": level * peak, "meant": now * peak}
                yield e.explain(kind, told, 0.7, intended=made)
    base = e.explain("as_meant", {}, 0.0)
    for level in _fitted(e, base, floored, now):
        made = floored(level)
        if made is not None:
            told = {"floor": level * (peak if np.isfinite(peak) else 1.0)}
            yield e.explain("wrong_floor", told, 1.9, intended=made)


def _floor_of(plan: Intended) -> float | None:
    from ratewise.audit.layout import parts_of

    parts = parts_of(plan.schedules[0])
    if parts is None:
        return None
    found = [one.to for one in parts.rest if isinstance(getattr(one, "to", None), float)]
    return found[-1] if found else None


def _fitted(e: LogEvidence, base: Explanation, floored: Any, now: float) -> list[float]:
    """Return the floor that a decay w·start + (1 - w)·floor has, from the rows themselves."""
    zero, one = floored(0.0), floored(1.0)
    if zero is None or one is None:
        return []
    found: list[float] = []
    for shift in e.shifts:
        t = e.counts + shift
        a, b = zero.at(t)[:, 0], one.at(t)[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            level = (e.rates[:, 0] - a) / (b - a)
        good = np.isfinite(level) & (np.abs(b - a) > 0.2 * np.nanmax(np.abs(b - a), initial=0.0))
        if good.any():
            value = float(np.median(level[good]))
            if value >= 0 and abs(value - now) > 1e-7:
                found.append(value if value > 1e-9 else 0.0)
    return found


def rounded_table(e: LogEvidence) -> Iterator[Explanation]:
    """Rates kept in fewer bits than float64 has."""
    kinds = {"float32": _float32, "float16": _float16, "bfloat16": _bfloat16}
    for base in bases(e):
        for name, rounded in kinds.items():
            expected = rounded(base.expected)
            hits = e.hits(expected)
            yield dataclasses.replace(
                base, kind="float32", parameters={"dtype": name}, assumed=0.8, expected=expected,
                hits=hits, share=e.share(hits), clock=None, intended=None,
            )  # fmt: skip


def _float32(rates: Floats) -> Floats:
    return rates.astype(np.float32).astype(np.float64)


def _float16(rates: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return rates.astype(np.float16).astype(np.float64)


def _bfloat16(rates: Floats) -> Floats:
    bits = rates.astype(np.float32).view(np.uint32)
    odd = (bits >> 16) & 1
    kept = ((bits + 0x7FFF + odd) >> 16) << 16
    return kept.astype(np.uint32).view(np.float32).astype(np.float64)


def wrong_shape(e: LogEvidence, free: bool = False) -> Iterator[Explanation]:
    """Another decay between the same ends."""
    plan = e.intended
    if plan.given is not None:
        return
    apart = each(plan, _in_a_row, plan.total)
    if apart is not None:
        told = {"shape": "Sequence", "spec": repr(apart.schedules[0])}
        yield e.explain("wrong_shape", told, 1.0, intended=apart, free=free)
    for name, kind in SHAPES.items():
        for floor in (None, 0.0):

            def change(p: PlanParts, kind: Any = kind, floor: float | None = floor) -> Any:
                return _reshaped(p, kind, floor)

            made = each(plan, change, plan.total)
            if made is None or made.schedules == plan.schedules:
                continue
            spec = repr(made.schedules[0])
            told = {"shape": name, "spec": spec}
            yield e.explain("wrong_shape", told, 1.0 + 0.3 * (floor is not None), intended=made,
                            free=free)  # fmt: skip


def _in_a_row(p: PlanParts) -> Any:
    """Return the decay behind the warm-up, where a product was meant."""
    if not p.product:
        return None
    behind = stretched(begun_high(p.rest, 1.0), sum(one.over for one in p.rest) - p.warmup)
    return joined((*p.climb, *behind))


def _reshaped(p: PlanParts, kind: Any, floor: float | None) -> Any:
    ends = [one.to for one in p.rest if isinstance(getattr(one, "to", None), float)]
    if not p.rest:
        return None
    total = sum(one.over for one in p.rest)
    holds: list[Any] = [one for one in p.rest if isinstance(one, Hold)]
    to = (ends[-1] if ends else 0.0) if floor is None else floor
    if kind is None:
        return p.put(p.climb, (Hold(over=total),))
    if kind is Exponential and not to:
        to = 0.01
    if len(p.rest) > 1 and holds and p.rest[0] is holds[0]:
        return p.put(p.climb, (holds[0], kind(to=to, over=total - holds[0].over)))
    return p.put(p.climb, (kind(to=to, over=total),))
