"""A log held against what is expected of it: which rates fit, within what the logger kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.audit.intended import Intended, Updates
from ratewise.audit.recorded import Recorded

RELATIVE, OF_PEAK = 1e-8, 2e-9
"""How far two computations of one formula in float64 are apart, one of them step by step."""
SINGLE, SINGLE_OF_PEAK = 2e-7, 1.5e-7
"""The same where float32 was computed with, or kept."""
MOST_ROWS = 500
"""Rows that hypotheses are tried on; what is told is of all."""
HEAD_ROWS = 60
"""Rows of the beginning that are always among them."""

Clock = Callable[[Updates], Updates]
"""From the update to the one whose rate it was given."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """A hypothesis, and what it expects.

    Args:
        kind: Its word; several joined by "+".
        parameters: What it says, by name.
        assumed: What it had to assume; 1 is about one free choice.
        expected: Rates that it expects, float64[rows, groups].
        hits: Which of the recorded it explains, bool[rows, groups].
        shift: What is added to the updates made for the update whose rate is shown.
        scale: What all rates are multiplied by.
    """

    kind: str
    parameters: Mapping[str, Any]
    assumed: float
    expected: Floats = field(repr=False)
    hits: Any = field(repr=False)
    shift: int = 0
    scale: float = 1.0
    intended: Intended | None = field(default=None, repr=False)
    clock: Clock | None = field(default=None, repr=False)
    share: float = 0.0

    @property
    def score(self) -> float:
        """The share explained, less a hundredth for each assumption."""
        return self.share - 0.01 * self.assumed


class LogEvidence:
    """The rows of a log that hypotheses are tried on.

    Args:
        recorded: The log.
        intended: The plan.
        shifts: What may stand between the updates made and the update whose rate is shown, where
            nothing is wrong: -1 for the rate just used, 0 for the next one.
        most: Rows to take at most.
    """

    def __init__(
        self,
        recorded: Recorded,
        intended: Intended,
        shifts: tuple[int, ...],
        most: int = MOST_ROWS,
    ) -> None:
        rows = _some(len(recorded.steps), most)
        self.recorded, self.intended, self.shifts = recorded, intended, shifts
        self.counts: Updates = recorded.steps[rows]
        self.rates: Floats = recorded.rates[rows]
        self.there = np.isfinite(self.rates)
        self.tolerance = tolerances(recorded, intended, self.rates)

    def share(self, hits: Any) -> float:
        """Return the share of the recorded rates that are explained."""
        return float((hits & self.there).sum() / max(int(self.there.sum()), 1))

    def hits(self, expected: Floats) -> Any:
        """Return which recorded rates are as expected, bool[rows, groups]."""
        with np.errstate(invalid="ignore"):
            return self.there & (np.abs(self.rates - expected) <= self.tolerance)

    def try_expected(
        self, expected: Floats, shift: int, *, free: bool = False
    ) -> tuple[Any, float, Floats]:
        """Return hits, scale and expected rates; scaled to the log if the scale is free."""
        scale = np.ones(expected.shape[1])
        unknown = ~np.isfinite(self.intended.peaks)
        if free or unknown.any():
            for group in np.flatnonzero(unknown):
                scale[group] = ratio(
                    self.rates[:, group], expected[:, group], self.tolerance[:, group]
                )
            if free and not unknown.all():
                known = ~unknown
                scale[known] = ratio(
                    self.rates[:, known].ravel(),
                    expected[:, known].ravel(),
                    self.tolerance[:, known].ravel(),
                )
        expected = expected * scale
        return self.hits(expected), float(scale[0]), expected

    def same_scale(self, scale: Floats) -> bool:
        """Whether all groups are scaled alike."""
        return bool(np.ptp(scale) <= 1e-6 * np.abs(scale).max())

    def explain(
        self,
        kind: str,
        parameters: Mapping[str, Any],
        assumed: float,
        clock: Clock | None = None,
        intended: Intended | None = None,
        *,
        free: bool = False,
        shifts: tuple[int, ...] | None = None,
    ) -> Explanation:
        """Return a hypothesis with the convention that suits it best.

        Args:
            kind: Its word.
            parameters: What it says.
            assumed: What it assumes.
            clock: From the update to the one whose rate it was given; left out, the same.
            intended: The plan that it says was followed, in place of the one meant.
            free: Whether all rates may be multiplied by one number.
            shifts: Conventions to try, in place of those known to be right.
        """
        followed = self.intended if intended is None else intended
        best: Explanation | None = None
        for shift in self.shifts if shifts is None else shifts:
            t = self.counts + shift
            expected = followed.at(t if clock is None else clock(t))
            hits, scale, expected = self.try_expected(expected, shift, free=free)
            share = self.share(hits)
            if best is None or share > best.share:
                best = Explanation(
                    kind, parameters, assumed, expected, hits, shift, scale, followed, clock, share
                )
        assert best is not None
        return best

    def curve(self, explanation: Explanation, counts: Updates) -> Floats:
        """Return what a hypothesis expects at other rows, float64[rows, groups]."""
        followed = explanation.intended or self.intended
        t = counts + explanation.shift
        clock = explanation.clock
        return followed.at(t if clock is None else clock(t))


def _some(n: int, most: int) -> Any:
    if n <= most:
        return np.arange(n)
    spread = np.linspace(0, n - 1, most - HEAD_ROWS).round().astype(np.int64)
    return np.unique(np.concatenate([np.arange(HEAD_ROWS), spread]))


def ratio(rates: Floats, expected: Floats, tolerance: Floats) -> float:
    """Return what expected rates are to be multiplied by to be those of a log.

    Each rate leaves an interval of factors; the middle of those that most of them allow counts.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (rates - tolerance) / expected, (rates + tolerance) / expected
    good = np.isfinite(low) & np.isfinite(high)
    good &= expected > 0.05 * np.nanmax(expected, initial=0.0)
    if not good.any():
        return 1.0
    low, high = low[good], high[good]
    ends = np.concatenate([low, high])
    order = np.argsort(ends, kind="stable")
    open_at = np.cumsum(np.where(order < len(low), 1, -1))
    best = int(np.argmax(open_at))
    following = ends[order[min(best + 1, len(order) - 1)]]
    found = (float(ends[order[best]]) + float(following)) / 2
    if open_at[best] >= max(2, 0.15 * len(low)):
        return found
    return float(np.median((low + high) / 2))


def tolerances(recorded: Recorded, intended: Intended, rates: Floats) -> Floats:
    """Return how far each recorded rate may be from what it stands for, float64[rows, groups].

    A computation in float64 leaves a part in 10⁸ of a rate and a part in 10⁹ of the peak; a
    logger that keeps d digits or decimals, half a unit of the last.
    """
    with np.errstate(invalid="ignore"):
        peak = np.nanmax(np.where(np.isfinite(recorded.rates), recorded.rates, 0.0))
        size = np.abs(rates)
        if recorded.facts.get("single"):
            return SINGLE * size + SINGLE_OF_PEAK * peak
        single = SINGLE_OF_PEAK if recorded.facts.get("kind") == "keras" else OF_PEAK
        kept = RELATIVE * size + single * peak
        if recorded.digits is None:
            return kept
        unit = 10.0 ** (np.floor(np.log10(np.where(size > 0, size, 1.0))) - recorded.digits + 1)
        if "decimals" in recorded.facts:  # or digits, with zeros behind by chance
            unit = np.maximum(unit, 10.0 ** -float(recorded.facts["decimals"]))
        return kept + 0.51 * unit
