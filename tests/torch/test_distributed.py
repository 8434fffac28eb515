"""Real processes over gloo: 1, 2 and 4 of them use the same rates, and decide the same."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import numpy as np
import pytest

from ratewise.schedule import ScheduleError

pytest.importorskip("accelerate")

import torch

from ratewise.torch import Scheduler
from tests import warm
from tests.torch.distributed_worker import LR, PLAN, PLATEAU, TOTAL

WORLDS = (1, 2, 4)
WORKER = Path(__file__).with_name("distributed_worker.py")
MEANT = [LR * level for level in PLAN.resolve(TOTAL).values().tolist()]
pytestmark = pytest.mark.slow


def launch(folder, world):
    """Run all ranks to their end; return what each of them saw."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = folder / "errors.txt"
    with open(os.devnull) as nothing, told.open("w") as errors:
        streams = [nothing.fileno(), errors.fileno(), errors.fileno()]
        ranks = [
            warm.start(
                [WORKER, folder, rank, world, port],
                imported=warm.TORCH,
                streams=streams,
                OMP_NUM_THREADS="1",
            )
            for rank in range(world)
        ]
        ended: list[int] = []
        try:
            ended.extend(one.wait() for one in ranks)
        finally:
            for one in ranks[len(ended) + 1 :]:  # the one that was waited for is gone
                os.kill(one.pid, signal.SIGKILL)
    assert ended == [0] * world, told.read_text(encoding="utf-8", errors="replace")
    return [json.loads((folder / f"{world}-{rank}.json").read_text()) for rank in range(world)]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What every rank of every world saw."""
    folder = tmp_path_factory.mktemp("ranks")
    return {world: launch(folder, world) for world in WORLDS}


@pytest.mark.parametrize("world", WORLDS)
def test_every_rank_uses_the_rates_of_one_process(seen, world):
    """Under DistributedDataParallel update t uses the rate of update t on every rank."""
    assert [one["plain"] for one in seen[world]] == [MEANT] * world


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("accumulation", [1, 4])
@pytest.mark.parametrize("split", [False, True])
def test_accelerate_on_several_processes(seen, world, split, accumulation, prepared):
    """With batches split or not, accumulated with a short last window or not, the scheduler
    prepared (and so stepped once for each process) or not: the same ten rates everywhere."""
    key = f"{split} {accumulation} {prepared}"
    assert [one[key] for one in seen[world]] == [MEANT] * world


@pytest.mark.parametrize("world", WORLDS)
def test_ranks_that_measure_different_losses_decide_the_same(seen, world):
    """Rates are equal on all ranks and those of the pure machine on the mean of the losses."""
    machine = PLATEAU.resolve().machine()
    state, levels = machine.init(), []
    for t in range(12):
        levels.append(machine.level(state, t))
        ranks = [
            np.nan if t >= 8 and not rank else np.float32(1 + 0.1 * rank - 0.01 * t * (rank == 0))
            for rank in range(world)
        ]
        state = machine.observe(state, t + 1, {"loss": float(np.mean(np.array(ranks, float)))})
    assert [one["listening"]["used"] for one in seen[world]] == [
        [LR * level for level in levels]
    ] * world
    assert len({one["listening"]["plan"] for one in seen[world]}) == 1
    assert len(set(levels)) > 4


@pytest.mark.parametrize("world", [2, 4])
def test_what_one_rank_lacks_is_refused_on_all(seen, world):
    """A metric that is missing, misspelt, no number or of another update: every rank says which
    rank it is, none hangs, and nothing has changed."""
    said = [one["refused"] for one in seen[world]]
    assert all(one == said[0] for one in said)
    last = world - 1
    assert f"got no loss on rank {last} of {world}" in said[0]["missing"]
    assert f"got no loss on rank {last} of {world}" in said[0]["misspelt"]
    assert f"loss='much' on rank {last}" in said[0]["no number"]
    assert f"rank {last} at 3" in said[0]["another update"]
    assert said[0]["level"] == str(LR / 3)


@pytest.mark.parametrize("world", WORLDS)
def test_how_metrics_are_reduced(seen, world):
    """Of 1, 2, … the mean, the sum, the least or the largest is heard, the same on all ranks."""
    values = np.arange(1, world + 1, dtype=float)
    want = {"mean": values.mean(), "sum": values.sum(), "min": 1.0, "max": float(world)}
    assert [one["reduced"] for one in seen[world]] == [want] * world


@pytest.mark.parametrize("world", [2, 4])
def test_a_run_goes_on_with_more_processes(seen, world):
    """Saved half-way by one process and resumed by several, with as many times fewer updates:
    with resume="rescale" it goes on at the same share of the run."""
    total = 16 // world
    want = [LR * (1 - t / total) for t in range(total // 2, total)]
    for one in seen[world]:
        np.testing.assert_allclose(one["rescaled"], want, rtol=1e-12)


def test_the_optimizer_alone_resumes_exactly(seen):
    """FSDP2, DDP and ZeRO, through `torch.distributed.checkpoint` and by hand, in either order:
    the rates of both groups are those of one run, on both ranks."""
    want = [[rate, 2 * rate] for rate in MEANT]
    runs = [one["carried"] for one in seen[2]]
    assert len(runs[0]) > 10
    for one in runs:
        for name, (used, committed) in one.items():
            np.testing.assert_allclose(used, want, rtol=1e-15, err_msg=name)
            assert committed == TOTAL


def test_an_unknown_reduction_is_refused():
    """With the nearest that there is, on one process too."""
    scheduler = Scheduler(torch.optim.SGD([torch.ones(1)], lr=LR), PLATEAU)
    with pytest.raises(ScheduleError, match="mean"):
        scheduler.observe(loss=1.0, reduce="meen")
