"""What a call costs, beside a fixed piece of work done in the same moment.

A machine that is busy, or slow, slows both: their ratio is a property of the code. CPU time of
the thread is read, since frameworks that other tests have loaded keep threads of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

SECOND = 16.0
"""So many yardsticks are about a second of one core."""

FRAMES = 24
"""Each try begins so many frames deeper.

Python's stack of frames grows by chunks. What goes back and forth over the edge of one, as a
recursion may that begins just there, takes three times as long.
"""


def yardstick() -> float:
    """Return the CPU seconds of a million multiplications, the unit in which costs are held."""
    begun = time.thread_time()
    total = 0
    for k in range(1_000_000):
        total += k * k % 7
    return time.thread_time() - begun


def cost(call: Callable[[], Any], most: float = SECOND, tries: int = 3) -> float:
    """Return what a call costs in yardsticks, the least of a few tries.

    Args:
        call: What is measured; it may be called again, so it leaves nothing behind.
        most: A cost that is low enough: no further try is made.
        tries: How many are made at most.
    """
    least = float("inf")
    for turn in range(tries):
        begun = time.thread_time()
        _deeper(call, FRAMES * turn)
        spent = time.thread_time() - begun
        least = min(least, spent / yardstick())
        if least <= most:
            break
    return least


def _deeper(call: Callable[[], Any], frames: int) -> Any:
    return _deeper(call, frames - 1) if frames else call()
