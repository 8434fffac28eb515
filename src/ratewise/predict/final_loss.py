"""The last loss of a falling run, and its derivatives: what the search for the best goes by."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ratewise._arrays import Floats
from ratewise.predict.grid import RateSegments
from ratewise.predict.law import Law

PARTS = 8
"""Segments of equal rate slope that the updates between two knots are taken together in."""

HEAD = 64
"""Segments that a warm-up is cut into."""


@dataclass(frozen=True, eq=False)
class RatePath:
    """Rates that rise in a warm-up and then fall, in straight lines or in stairs, cut in segments.

    On a line, a segment of h updates from level a to level b has the mean (a + b)/2 - (a - b)/(2h),
    that of its updates, and the fall a - b, spread over them. A stair is one segment, whose fall
    comes before its first update. All is linear in the levels at the knots.

    Args:
        knots: Updates after the warm-up at which lines meet or stairs begin, rising from 0, int[m].
        mean: Mean level of each segment by the levels at the knots, float64[k, m].
        fall: Its fall by the levels at the knots, float64[k, m].
        size: Its updates, float64[k].
        own: How many of them come behind its fall, on the mean, float64[k].
        rising: Mean level of each segment of the warm-up, float64[r].
        sizes: Their updates, float64[r].
    """

    knots: Floats
    mean: Floats
    fall: Floats
    size: Floats
    own: Floats
    rising: Floats
    sizes: Floats

    @classmethod
    def lines(cls, knots: Floats, warmup: Floats) -> RatePath:
        """Return straight lines through knots, the last update one of them, behind a warm-up.

        Args:
            knots: Where the lines meet.
            warmup: Level of each update of the warm-up, float64[updates].
        """
        edges = _edges(knots)
        at = _between(edges, knots)
        size = np.append(1.0, np.diff(edges))
        half = 0.5 / size[1:, None]
        mean = np.concatenate([at[:1], (0.5 - half) * at[:-1] + (0.5 + half) * at[1:]])
        fall = -np.diff(at, axis=0, prepend=at[:1])
        return cls(knots, mean, fall, size, (size + 1) / 2, *_head(warmup))

    @classmethod
    def stairs(cls, knots: Floats, warmup: Floats, n: int) -> RatePath:
        """Return stairs that begin at knots, `n` updates behind a warm-up."""
        mean = np.eye(len(knots))
        fall = -np.diff(mean, axis=0, prepend=mean[:1])
        size = np.diff(np.append(knots, n)).astype(np.float64)
        return cls(knots, mean, fall, size, size, *_head(warmup))

    def through(self, kept: list[int]) -> RatePath:
        """Return the path on the same segments that has these of the knots alone."""
        knots = self.knots[kept]
        if len(self.mean) == len(self.knots):  # stairs
            stair = np.searchsorted(knots, self.knots, side="right") - 1
            spread = np.eye(len(kept))[stair]
        else:
            spread = _between(self.knots, knots)
        return replace(self, knots=knots, mean=self.mean @ spread, fall=self.fall @ spread)

    def loss(self, law: Law, peak: float, levels: Floats) -> tuple[float, Floats]:
        """Return the loss after the last update, and its derivatives by the levels at the knots."""
        first, laws = len(self.rising), law.parts
        run = RateSegments(
            rates=peak * np.append(self.rising, self.mean @ levels),
            falls=peak * np.append(np.zeros(first), self.fall @ levels),
            sizes=np.append(self.sizes, self.size),
            own=np.append(self.sizes, self.own),
        )
        value, slope = 0.0, np.zeros(len(levels))
        for one in laws:
            loss, by_rate, by_fall = one.last(run)
            value += loss / len(laws)
            slope += (by_rate[first:] @ self.mean + by_fall[first:] @ self.fall) / len(laws)
        return value, slope * peak


def _edges(knots: Floats) -> Floats:
    """Return where the segments between knots begin, and the last knot."""
    parts = [min(PARTS, int(gap)) for gap in np.diff(knots)]
    inner = [
        a + np.floor((b - a) * np.arange(count) / count)
        for a, b, count in zip(knots[:-1], knots[1:], parts, strict=True)
    ]
    return np.concatenate([*inner, knots[-1:]])


def _between(at: Floats, knots: Floats) -> Floats:
    """Return the matrix that takes values at knots to places on the lines between them."""
    return np.stack([np.interp(at, knots, unit) for unit in np.eye(len(knots))], axis=1)


def _head(warmup: Floats) -> tuple[Floats, Floats]:
    """Return the mean levels and sizes of the segments of a warm-up."""
    pieces = np.array_split(warmup, min(HEAD, len(warmup))) if len(warmup) else []
    means, sizes = [piece.mean() for piece in pieces], [float(len(piece)) for piece in pieces]
    return np.array(means), np.array(sizes)


def exact(law: Law, rates: Floats) -> float:
    """Return the loss after the last update of a run, each update by itself."""
    return law.last(RateSegments.of(rates))[0]
