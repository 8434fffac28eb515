"""Random numbers and settings of one's own, swapped in and out of the process."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Self

import numpy as np

from ratewise._extras import require

torch = require("torch", extra="torch")

Part = tuple[Callable[[], Any], Callable[[Any], Any]]
"""How to read a part of the process's state, and how to write it."""


def _seed_all(seed: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)


def _random_parts() -> list[Part]:
    parts: list[Part] = [
        (torch.get_rng_state, torch.set_rng_state),
        (random.getstate, random.setstate),
        (np.random.get_state, np.random.set_state),
    ]
    if torch.cuda.is_available():
        parts.append((torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all))
    if torch.backends.mps.is_available():
        parts.append((torch.mps.get_rng_state, torch.mps.set_rng_state))
    return parts


def _setting_parts() -> list[Part]:
    cudnn = torch.backends.cudnn
    return [
        (torch.get_default_dtype, torch.set_default_dtype),
        (torch.get_num_threads, torch.set_num_threads),
        (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
        (lambda: cudnn.benchmark, lambda on: setattr(cudnn, "benchmark", on)),
        (lambda: cudnn.deterministic, lambda on: setattr(cudnn, "deterministic", on)),
    ]


class RandomStream:
    """A stream of random numbers that goes on where it stopped, whatever else draws.

    Inside `with own:` the generators of torch (CPU and GPUs), `random` and `numpy.random` are this
    stream's; outside they are as if nothing had been drawn. Not to be entered twice at once.

    Args:
        seed: Seed of all the generators.
        settings: Whether torch's settings (default dtype, threads, determinism) are its own too.

    Attributes:
        state: The stream where it stands; plain values, never changed in place.
    """

    def __init__(self, seed: int, *, settings: bool = False) -> None:
        self._streams = _random_parts()
        self._settings = _setting_parts() if settings else []
        self.state = self._read()
        self._outside = self.state
        with self:
            _seed_all(seed)

    def __enter__(self) -> Self:
        self._outside = self._read()
        self._write(self.state)
        return self

    def __exit__(self, *_: object) -> None:
        self.state = self._read()
        self._write(self._outside)

    def _read(self) -> list[Any]:
        return [read() for read, _ in [*self._streams, *self._settings]]

    def _write(self, state: list[Any]) -> None:
        streams = len(self._streams)
        for (_, write), value in zip(self._streams, state[:streams], strict=True):
            write(value)
        for (read, write), value in zip(self._settings, state[streams:], strict=True):
            if read() != value:
                write(value)


def derived(seed: int, purpose: int) -> int:
    """Return another seed in [0, 2**63), for a stream that has nothing to do with the first."""
    return int(np.random.SeedSequence([seed, purpose]).generate_state(1, np.uint64)[0] >> 1)
