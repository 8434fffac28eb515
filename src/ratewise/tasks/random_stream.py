"""Random numbers of one's own, swapped in and out of the process."""

from __future__ import annotations

import random
from typing import Any, Self

import numpy as np

from ratewise.tasks.drawn import check_twister

DATA, METRIC, STACK = 1, 2, 3
"""Purposes of streams that the data, the metrics and a stack of a run draw from, see `derived`."""


class RandomStream:
    """A stream of random numbers that goes on where it stopped, whatever else draws.

    Inside `with stream:` the generators of `random` and `numpy.random` are this stream's; outside
    they are as if nothing had been drawn. Not to be entered twice at once.

    Args:
        seed: Seed of all the generators.

    Attributes:
        state: The stream where it stands; plain values, never changed in place.
    """

    def __init__(self, seed: int) -> None:
        self.state = self._outside = self._read()
        with self:
            self._seed(seed)

    def __enter__(self) -> Self:
        self._outside = self._read()
        self._write(self.state)
        return self

    def __exit__(self, *_: object) -> None:
        self.state = self._read()
        self._write(self._outside)

    def note(self) -> Any:
        """Return the state of the stream while it is entered."""
        self.state = self._read()
        return self.state

    def go_to(self, state: Any) -> None:
        """Go on from a state while the stream is entered."""
        self.state = state
        self._write(state)

    def _seed(self, seed: int) -> None:
        random.seed(seed)
        np.random.seed(seed % 2**32)

    def _read(self) -> list[Any]:
        return [random.getstate(), np.random.get_state()]

    def _write(self, state: list[Any]) -> None:
        check_twister(state[1])
        random.setstate(state[0])
        np.random.set_state(state[1])


def derived(seed: int, purpose: int) -> int:
    """Return another seed in [0, 2**63), for a stream that has nothing to do with the first."""
    return int(np.random.SeedSequence([seed, purpose]).generate_state(1, np.uint64)[0] >> 1)
