"""The schedulers of fairseq whose rate is given by epoch or by update in a table."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from ratewise.convert.configs._fairseq_case import Case
from ratewise.convert.pieces.keys import plan
from ratewise.convert.pieces.moves import climb, hold, lay
from ratewise.schedule import Piecewise, Plan, Schedule, ScheduleError
from ratewise.schedule.errors import number, shorten


def fixed(case: Case) -> Plan:
    """Read `fixed`: a rate for each epoch, under a warm-up counted from 1."""
    keys, rates = case.keys, case.rates()
    warmup = keys.whole("warmup_updates", 0)
    rise = (warmup, climb(warmup, begin=1)) if warmup else (0, hold())
    warm = lay(case.total, rise, (None, hold(1.0)))
    if len(rates) == 1 and not keys.has("force_anneal"):
        return plan(warm, rates[0])
    epoch = _epoch(case)
    count = -(-case.ctx.need_total(keys.who) // epoch)
    levels = {e * epoch: _rate(case, rates, e + 1) / rates[0] for e in range(count)}
    stairs = Piecewise(levels)
    return plan(stairs * warm if warmup else stairs, rates[0])


def _rate(case: Case, rates: list[float], epoch: int) -> float:
    """Return the rate of an epoch, counted from 1."""
    if not case.keys.has("force_anneal"):
        return rates[min(epoch, len(rates)) - 1]
    anneal = case.keys.whole("force_anneal", low=1)
    if epoch < anneal:
        return rates[min(epoch, len(rates)) - 1]
    return rates[-1] * case.keys.number("lr_shrink", 0.1, high=1.0) ** (epoch + 1 - anneal)


def _epoch(case: Case) -> int:
    size = case.ctx.need(case.keys.who, "epoch")
    if size.denominator != 1:
        rule = f"needs epoch as a whole number of updates, got {float(size):g}"
        raise ScheduleError(case.keys.who, rule, "give an int")
    return int(size)


def manual(case: Case) -> Plan:
    """Read `manual`: tables from epochs and from updates to rates; updates go first."""
    who = case.keys.who
    by_epoch, by_update = (_table(case, name) for name in ("epoch2lr", "update2lr"))
    first = by_epoch.get(1, by_update.get(1))
    first = case.rate() if first is None else first
    table = {0: first}
    if by_epoch:
        epoch = _epoch(case)
        start = min(by_update, default=None)
        table |= {
            (e - 1) * epoch: rate
            for e, rate in by_epoch.items()
            if e >= 1 and (start is None or (e - 1) * epoch < start)
        }
        table[0] = by_epoch[max(e for e in by_epoch if e <= 1)] if min(by_epoch) <= 1 else first
    table |= by_update
    peak = max(table.values())
    if peak == 0:
        raise ScheduleError(who, "has no rate above 0", "give one")
    return plan(_steps({t: table[t] / peak for t in sorted(table)}), peak)


def _steps(levels: dict[int, float]) -> Schedule:
    changes: dict[int, float] = {}
    for t, level in levels.items():
        if not changes or list(changes.values())[-1] != level:
            changes[t] = level
    return Piecewise(changes)


def _table(case: Case, name: str) -> dict[int, float]:
    """Return a table such as {"1": 0.1, "2-10": 0.01, "11,13": 0.001} with one key each."""
    who, given = case.keys.who, case.keys.given.get(name) or {}
    fix = f"""write {name}={{"1-3": 1e-3, "4,5": 1e-4}}"""
    if isinstance(given, str):
        try:
            given = ast.literal_eval(given.replace(" ", ""))
        except (ValueError, SyntaxError):
            raise ScheduleError(who, f"has {name}={shorten(given)}", fix) from None
    if not isinstance(given, Mapping):
        raise ScheduleError(who, f"has {name}={shorten(given)}", fix)
    table: dict[int, float] = {}
    for key, value in given.items():
        for position in _positions(who, name, key, fix):
            table[position] = number(who, f"{name}[{key}]", _float(value))
    return table


def _float(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _positions(who: str, name: str, key: Any, fix: str) -> range | list[int]:
    try:
        if isinstance(key, str) and "," in key:
            return [int(each) for each in key.split(",")]
        if isinstance(key, str) and "-" in key:
            first, last = (int(each) for each in key.split("-"))
            return range(first, last + 1)
        return [int(key)]
    except (TypeError, ValueError):
        raise ScheduleError(who, f"has the key {shorten(key)} in {name}", fix) from None
