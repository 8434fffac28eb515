"""Laws together, and a law that only its form tells apart: what `fit` gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ratewise._arrays import Floats


class Law(Protocol):
    """A fitted law: the loss after each update of a run, from its rates alone."""

    def losses(self, rates: Floats) -> Floats:
        """Return float64[T] for rates float64[T]."""
        ...


@dataclass(frozen=True)
class MixedLaw:
    """The mean of several laws; how far they are apart says how sure they are.

    Laws that fit three curves equally well part where they predict, and their errors are of
    opposite sign more often than not.
    """

    laws: tuple[Law, ...]

    def losses(self, rates: Floats) -> Floats:
        """Return the mean of the losses that the laws give, float64[T]."""
        return np.mean([law.losses(rates) for law in self.laws], axis=0)

    def apart(self, rates: Floats, end: Callable[[Law, Floats], float]) -> float:
        """Return the standard deviation between the laws, of what `end` says of each."""
        return float(np.std([end(law, rates) for law in self.laws]))
