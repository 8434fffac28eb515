"""Losses and rates reach TensorBoard as runs end."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from ratewise.choose import compare
from tests.runs.journal.tasks import ASKED, SCHEDULES, Bowl

pytest.importorskip("tensorboardX")


def scalars(folder):
    """Return the scalars of an event file as {tag: [(step, value)]}."""
    from tensorboardX.proto import event_pb2

    (path,) = folder.glob("events*")
    data, found, at = path.read_bytes(), {}, 0
    while at < len(data):
        (length,) = struct.unpack("<Q", data[at : at + 8])
        event = event_pb2.Event.FromString(data[at + 12 : at + 12 + length])
        at += 16 + length
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


@pytest.mark.parametrize("workers", [0, 2])
def test_every_run_is_on_the_board(tmp_path, workers):
    """One folder for a run, with every loss and rate at its update, and the final metrics."""
    result = compare(Bowl(), SCHEDULES, **ASKED, tensorboard=tmp_path / "board", workers=workers)
    assert len(list((tmp_path / "board").iterdir())) == len(result.runs) == 20
    run = result.runs[3]
    shown = scalars(tmp_path / "board" / f"{run.name}_{run.peak:g}_seed_{run.seed}")
    for tag, values in (("loss", run.losses), ("lr", run.rates)):
        assert [step for step, _ in shown[tag]] == list(range(len(values)))
        assert [value for _, value in shown[tag]] == np.float32(values).tolist()
    ((step, value),) = shown["final/loss"]
    assert (step, value) == (len(run.rates), np.float32(run.metrics["loss"]))
