"""What a law is: before it is fitted a form, after it a value that says what any rates come to.

A new law is one file with a `Law` and its `LawForm`, and a line in the table `FORMS` of `fitting`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, TypeVar

import numpy as np

from ratewise._arrays import Floats
from ratewise.predict.grid import RateGrid, RateSegments

T = TypeVar("T")

TYPICAL = 0.6
"""Noise at the reference rate over the fall that is left at the reference length, in runs of two
sizes of language models: what a single curve without a drop of its rate cannot tell."""


class Law(ABC):
    """A fitted law: the loss after each update of a run, from its rates alone."""

    sees_rates: ClassVar[bool] = True
    """Whether the loss depends on the rates, and not on the number of updates alone."""

    @abstractmethod
    def losses(self, rates: Floats) -> Floats:
        """Return the loss after each update of a run, float64[T] for rates float64[T]."""

    @abstractmethod
    def last(self, run: RateSegments) -> tuple[float, Floats, Floats]:
        """Return the loss after the last segment, and its derivatives by rates and by falls."""

    @property
    def parts(self) -> Sequence[Law]:
        """The laws whose mean it is: itself alone, if it is no mean."""
        return (self,)


class LawForm(ABC):
    """A law before it is fitted: L(t) = Σ c_j·X_j(t; θ), with all c_j ≥ 0 and few θ.

    Attributes:
        centre: Where θ lies before any curve was seen, float64[k].
        spread: How far from there it may well be, float64[k].
        low: Smallest θ.
        high: Largest θ.
        skip: Share of each run, from its beginning, that the form is not fitted to.
        once: Whether a point that runs share, forked from one trunk, counts once among them.
    """

    skip: ClassVar[float] = 0.0
    once: ClassVar[bool] = False
    centre: Floats
    spread: Floats
    low: Floats
    high: Floats

    @classmethod
    @abstractmethod
    def around(cls, grids: Sequence[RateGrid], tie: float) -> Self:
        """Return the form for some runs.

        Args:
            grids: The runs.
            tie: How strictly the noise is tied to the fall that is left, per unit of the loss.
        """

    @abstractmethod
    def columns(self, grid: RateGrid, theta: Floats) -> Floats:
        """Return X at the points of a grid, float64[n, m]."""

    @abstractmethod
    def slopes(self, grid: RateGrid, theta: Floats, c: Floats) -> Floats:
        """Return the derivatives of the loss by θ at the points, float64[n, k]."""

    @abstractmethod
    def law(self, theta: Floats, c: Floats) -> Law:
        """Return the law with these parameters."""

    def remembered(self, grid: RateGrid, theta: Floats, work: Callable[..., T]) -> T:
        """Return work(grid, θ), done once: the search asks for columns and slopes in turn."""
        known: dict[int, tuple[RateGrid, Floats, T]] = vars(self).setdefault("_remembered", {})
        kept = known.get(id(grid))
        if kept is None or kept[0] is not grid or not np.array_equal(kept[1], theta):
            kept = grid, np.array(theta), work(grid, theta)
            known[id(grid)] = kept
        return kept[2]

    def starts(self) -> list[Floats]:
        """Return where the search begins."""
        return [self.centre]

    def penalty(self) -> Floats:
        """Return rows that are added to the linear problem, float64[r, m]; each is wanted 0."""
        return np.empty((0, 0))


def tied(tie: float) -> Floats:
    """Return the penalty of a form (floor, fall, noise) whose noise is not the typical one."""
    return np.array([[0.0, -TYPICAL, 1.0]]) * tie


@dataclass(frozen=True)
class MixedLaw(Law):
    """The mean of several laws; how far they are apart says how sure they are.

    Laws that fit three curves equally well part where they predict, and their errors are of
    opposite sign more often than not.
    """

    laws: tuple[Law, ...]

    @property
    def parts(self) -> Sequence[Law]:
        return self.laws

    def losses(self, rates: Floats) -> Floats:
        return np.mean([law.losses(rates) for law in self.laws], axis=0)

    def last(self, run: RateSegments) -> tuple[float, Floats, Floats]:
        losses, by_rate, by_fall = zip(*(law.last(run) for law in self.laws), strict=True)
        return float(np.mean(losses)), np.mean(by_rate, axis=0), np.mean(by_fall, axis=0)
