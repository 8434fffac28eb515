"""Batches by position: the same whenever they are asked for, within a memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.tasks.torch.batches import TorchTape, copied


def generator(seed: int) -> Iterator[torch.Tensor]:
    for _ in range(3):
        yield torch.randn(2)


@pytest.mark.parametrize("tape_bytes", [0, 40, 2**20])
@pytest.mark.parametrize("data", [generator, lambda seed: list(generator(seed))])
def test_a_batch_depends_on_seed_and_position_alone(data: Any, tape_bytes: int) -> None:
    """Back, forth and across the ends of rounds, each position gives the same batch."""
    plain = [batch.tolist() for batch in TorchTape(data, 1, 2**20).take(0, 40)]
    torch.manual_seed(99)
    batches = TorchTape(data, 1, tape_bytes)
    for position in (0, 30, 4, 5, 39, 0, 17):
        (batch,) = batches.take(position, 1)
        assert batch.tolist() == plain[position]
    assert [batch.tolist() for batch in batches.take(10, 20)] == plain[10:30]


def test_the_tape_stays_within_its_memory() -> None:
    """Old batches are forgotten, so that memory does not grow with the length of the run."""
    batches = TorchTape(lambda seed: [torch.zeros(1000)], 0, 40_000)
    for _ in batches.take(0, 500):
        assert batches.held_bytes <= 40_000 + 8 * 4_000


def test_a_copy_of_a_view_does_not_bring_the_whole() -> None:
    """A batch cut from a large tensor is copied as what it shows, wherever it is held."""
    whole = torch.zeros(1000, 10)
    held = copied({"x": [whole[:2]], "again": whole[2:4]})
    assert held["x"][0].untyped_storage().nbytes() == 80
    assert held["again"].untyped_storage().nbytes() == 80


def test_data_that_change_between_calls_are_refused() -> None:
    """A loader with a generator of its own, made outside, cannot be read again; that is said."""
    loader = torch.utils.data.DataLoader(
        range(64), batch_size=4, shuffle=True, generator=torch.Generator()
    )
    batches = TorchTape(lambda seed: loader, 0, 0)
    list(batches.take(0, 3))
    with pytest.raises(rw.ScheduleError, match="gave other batches") as caught:
        list(batches.take(0, 1))
    assert "inside data(seed)" in caught.value.fix
