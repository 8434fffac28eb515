"""Tracks: what a resolved schedule becomes in order to be evaluated.

A track is one function over an array namespace together with a length and the level held
after it. On the host the namespace is numpy and positions come sorted, so pieces are slices;
when traced (jax, keras) pieces are selected by comparison. The formulas are the same.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 13  # updates evaluated at a time: 64 kB of float64 stay in the cache, and in the heap
LARGEST = float(np.finfo(np.float64).max)
LARGEST_SINGLE = float(np.finfo(np.float32).max)

MANY = 16  # traced pieces from which looking one up is cheaper than computing all of them

Inside = Callable[[Any, Any], Any]
"""(namespace, positions in [0, length)) -> levels"""


@dataclass(frozen=True)
class Track:
    """Levels over updates 0 … length-1, and the level held from there on.

    Attributes:
        length: Updates covered; None if there is no end.
        end: Level from update `length` on; the last level known where there is no end.
        inside: Levels at positions in [0, length).
    """

    length: int | None
    end: float
    inside: Inside

    def levels(self, xp: Any, t: Any) -> Any:
        """Return the levels at positions `t` >= 0; on the host `t` is sorted."""
        if self.length is None:
            return self.inside(xp, t)
        return switch(xp, t, [self.length], [self.inside, constant(self.end)])


def constant(level: float) -> Inside:
    """Return a track function that is `level` everywhere."""

    def inside(xp: Any, t: Any) -> Any:
        if xp is np:
            return np.full(t.shape, level)
        zeros = xp.zeros_like(xp.true_divide(t, 1))
        return zeros + min(level, largest(xp, zeros))

    return inside


def chain(tracks: Sequence[Track], first: float) -> Track:
    """Return the tracks one after the other; with none, `first` held for ever.

    All but the last have a length.
    """
    tracks = [track for track in tracks if track.length != 0]
    if not tracks:
        return Track(0, first, constant(first))
    lengths = [track.length for track in tracks]
    if len(tracks) == 1:
        return tracks[0]
    ends = list(itertools.accumulate(n for n in lengths if n is not None))
    end = None if lengths[-1] is None else ends[-1]
    bounds = ends[: len(tracks) - 1]
    pieces = [track.inside for track in tracks]
    return Track(end, tracks[-1].end, lambda xp, t: switch(xp, t, bounds, pieces))


def switch(xp: Any, t: Any, bounds: Sequence[int], pieces: Sequence[Inside]) -> Any:
    """Evaluate piece i on positions in [bounds[i-1], bounds[i]), counted from its own start."""
    if xp is not np:
        return _select(xp, t, bounds, pieces)
    if not t.size:
        return np.empty(0)
    first = bisect.bisect_right(bounds, t[0])
    last = bisect.bisect_right(bounds, t[-1])
    starts = [0, *bounds]
    if first == last:
        start = starts[first]
        return pieces[first](np, t - start if start else t)
    out = np.empty(t.shape)
    cuts = [0, *np.searchsorted(t, bounds[first:last]), t.size]
    for index, (a, b) in enumerate(itertools.pairwise(cuts), start=first):
        if b > a:
            out[a:b] = pieces[index](np, t[a:b] - starts[index])
    return out


def _select(xp: Any, t: Any, bounds: Sequence[int], pieces: Sequence[Inside]) -> Any:
    starts = [0, *bounds]
    out = pieces[-1](xp, xp.maximum(t - starts[-1], 0))
    for index in reversed(range(len(bounds))):
        start, stop = starts[index], bounds[index]
        level = pieces[index](xp, xp.clip(t - start, 0, stop - start - 1))
        out = xp.where(t < stop, level, out)
    return out


def blend(xp: Any, u: Any, v: Any, start: float, end: float) -> Any:
    """Return u·start + v·end, where u + v = 1, never outside the range of the two.

    The short forms give the same bits as the long one: a product with 1 and a sum with 0 are exact.
    """
    if end == 0.0:
        return u if start == 1.0 else u * start
    if start == 0.0:
        return v if end == 1.0 else v * end
    return blend_plain(xp, u, v, start, end)


def blend_plain(xp: Any, u: Any, v: Any, start: float, end: float) -> Any:
    """Return what `blend` returns, by the long form alone."""
    return xp.clip(u * start + v * end, min(start, end), max(start, end))


def finite(xp: Any, levels: Any) -> Any:
    """Return levels with what overflowed put back to the largest number of their precision."""
    return xp.minimum(levels, largest(xp, levels))


def largest(xp: Any, levels: Any) -> float:
    """Return the largest number of the precision of levels."""
    return LARGEST if xp is np or "64" in str(levels.dtype) else LARGEST_SINGLE


def sample(track: Track, n: int, start: int = 0) -> NDArray[np.float64]:
    """Return the levels of updates start … start+n-1, evaluated block by block."""
    out = np.empty(n)
    for a in range(0, n, BLOCK):
        b = min(a + BLOCK, n)
        out[a:b] = track.levels(np, np.arange(start + a, start + b, dtype=np.int64))
    return out


def lookup(track: Track, t: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the levels at any positions, in any order."""
    flat = t.ravel()
    order = np.argsort(flat, kind="stable")
    out = np.empty(flat.shape)
    for a in range(0, flat.size, BLOCK):
        part = order[a : a + BLOCK]
        out[part] = track.levels(np, flat[part])
    return out.reshape(t.shape)
