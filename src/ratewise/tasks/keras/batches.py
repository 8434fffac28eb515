"""Batches for Keras by their position, and random numbers of one's own on any backend."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from ratewise._extras import require
from ratewise.schedule import ScheduleError
from ratewise.tasks.batches import BatchTape
from ratewise.tasks.keras.snapshot import as_numpy, on_torch
from ratewise.tasks.random_stream import RandomStream

keras = require("keras", extra="keras")


def stream(seed: int) -> RandomStream:
    """Return random numbers of one's own, with torch's on that backend."""
    if not on_torch():
        return RandomStream(seed)
    from ratewise.tasks.torch.random_stream import TorchRandomStream

    return TorchRandomStream(seed, settings=True)


class KerasTape(BatchTape):
    """The batches of one seed for Keras; what `data` returned may also be a `PyDataset`.

    Raises:
        ScheduleError: besides, what `data` returned is no batches.
    """

    who = "KerasTask(data=…)"
    repeat = "shuffle with the seed that data(seed) is given"

    def _stream(self, seed: int) -> RandomStream:
        return stream(seed)

    def _recorded(self, batch: Any) -> tuple[Any, int]:
        return batch, sum(int(getattr(leaf, "nbytes", 64)) for leaf in keras.tree.flatten(batch))

    def _fingerprint(self, batch: Any) -> str:
        digest = hashlib.sha256()
        for leaf in keras.tree.flatten(batch):
            value = as_numpy(leaf)
            digest.update(value.tobytes() if value.dtype != object else repr(value).encode())
        return digest.hexdigest()

    def _open(self) -> Any:
        """Return what `data` returns for the seed; arrays would be taken for batches."""
        source = super()._open()
        if isinstance(source, tuple) and source and all(hasattr(part, "shape") for part in source):
            rule, fix = "returned arrays", "cut them: [(x[i : i + 32], y[i : i + 32]) for i in …]"
            raise ScheduleError(self.who, rule, fix)
        return source

    def _read(self, source: Any) -> Iterator[Any]:
        if not isinstance(source, keras.utils.PyDataset):
            yield from source
            return
        for index in range(source.num_batches):
            yield source[index]
        source.on_epoch_end()
