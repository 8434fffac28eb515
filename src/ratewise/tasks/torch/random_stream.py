"""Random numbers and settings of torch, swapped in and out of the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ratewise._extras import require
from ratewise.tasks.random_stream import RandomStream

torch = require("torch", extra="torch")

Access = tuple[Callable[[], Any], Callable[[Any], Any]]
"""How to read a part of the process's state, and how to write it."""


def _generators() -> list[Access]:
    parts: list[Access] = [(torch.get_rng_state, torch.set_rng_state)]
    if torch.cuda.is_available():
        parts.append((torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all))
    if torch.backends.mps.is_available():
        parts.append((torch.mps.get_rng_state, torch.mps.set_rng_state))
    return parts


def _settings() -> list[Access]:
    cudnn = torch.backends.cudnn
    return [
        (torch.get_default_dtype, torch.set_default_dtype),
        (torch.get_num_threads, torch.set_num_threads),
        (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
        (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
        (lambda: cudnn.benchmark, lambda on: setattr(cudnn, "benchmark", on)),
        (lambda: cudnn.deterministic, lambda on: setattr(cudnn, "deterministic", on)),
    ]


class TorchRandomStream(RandomStream):
    """A stream whose random numbers are also those of torch, on the CPU and on GPUs.

    Args:
        seed: Seed of all the generators.
        settings: Whether torch's settings (default dtype, threads, determinism) are its own too.
    """

    def __init__(self, seed: int, *, settings: bool = False) -> None:
        self._generators = _generators()
        self._settings = _settings() if settings else []
        super().__init__(seed)

    def _seed(self, seed: int) -> None:
        torch.manual_seed(seed)
        super()._seed(seed)

    def _read(self) -> list[Any]:
        parts = [*self._generators, *self._settings]
        return [super()._read(), *(read() for read, _ in parts)]

    def _write(self, state: list[Any]) -> None:
        numbers, *others = state
        super()._write(numbers)
        count = len(self._generators)
        for (_, write), value in zip(self._generators, others[:count], strict=True):
            write(value)
        for (read, write), value in zip(self._settings, others[count:], strict=True):
            if read() != value:  # some of them start threads or compile when they are set
                write(value)
