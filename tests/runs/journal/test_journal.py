"""The journal: stopped, killed, damaged or extended, a comparison ends as if it never had been."""

from __future__ import annotations

import json
import random
import signal
import sqlite3

import numpy as np
import pytest

from ratewise.choose import compare
from ratewise.compare.comparison import Interrupted
from ratewise.runs.journal import Journal, status
from ratewise.schedule import ScheduleError
from tests import warm
from tests.runs.journal.tasks import ASKED, SCHEDULES, TOTAL, Bowl, records, stop_after


def test_a_journal_changes_no_bit(truth, tmp_path):
    """With a journal the results are those without, and no checkpoint is left behind."""
    path = tmp_path / "deep" / "runs.db"
    assert records(compare(Bowl(), SCHEDULES, **ASKED, journal=path)) == records(truth)
    assert not list((tmp_path / "deep" / "runs.db.checkpoints").glob("*"))


def test_again_nothing_is_trained(truth, tmp_path):
    """The same comparison a second time is read from the journal, and says so."""
    path = tmp_path / "runs.db"
    compare(Bowl(), SCHEDULES, **ASKED, journal=path)
    again = Bowl()
    result = compare(again, SCHEDULES, **ASKED, journal=path)
    assert again.made == result.trained == 0
    assert records(result) == records(truth)
    assert "updates of runs were taken from runs.db" in str(result)


@pytest.mark.parametrize("updates", [1, 100, 350, 700])
def test_stopped_by_hand_it_goes_on(truth, tmp_path, updates):
    """Stopped with Ctrl-C and begun again, no committed stretch is trained twice."""
    path, first, second = tmp_path / "runs.db", Bowl(), Bowl()
    with pytest.raises(Interrupted):
        compare(first, SCHEDULES, **ASKED, journal=path, progress=stop_after(updates))
    result = compare(second, SCHEDULES, **ASKED, journal=path)
    assert records(result) == records(truth)
    assert first.made + second.made <= truth.trained + TOTAL


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(3))
def test_a_killed_driver_is_continued(truth, tmp_path, turn):
    """SIGKILL in the middle of an update, twice; the third process ends it, and only what was
    not committed yet was trained again."""
    path, notes = tmp_path / "runs.db", tmp_path / "notes"
    words = ["-m", "tests.runs.journal.driver", path, notes]
    kills = random.Random(turn)
    for kill in (kills.randrange(1, 500), kills.randrange(1, 500), 0):
        done = warm.run([*words, kill], imported=warm.CHOOSE)
        assert done.returncode == (-signal.SIGKILL if kill else 0), done.stderr
    assert json.loads(done.stdout) == truth.to_dict()["runs"]
    made = [tuple(json.loads(line)) for line in notes.read_text().splitlines()]
    assert truth.trained <= len(made) <= truth.trained + 2 * TOTAL
    with sqlite3.connect(path) as file:
        rows = file.execute("SELECT low, high FROM stretches").fetchall()
    assert sum(high - low for low, high in rows) == truth.trained


def test_it_is_extended(tmp_path):
    """More candidates, peaks, seeds: only what is new is trained, and all is as if at once."""
    path = tmp_path / "runs.db"
    few = {name: SCHEDULES[name] for name in ("constant", "step")}
    compare(Bowl(), few, total=TOTAL, peaks=[0.05], seeds=1, journal=path, disk="1MB")
    task = Bowl()
    result = compare(task, SCHEDULES, **ASKED, journal=path, disk="1MB")
    alone = compare(Bowl(), SCHEDULES, **ASKED)
    assert records(result) == records(alone)
    assert task.made < alone.trained


def test_kept_checkpoints_are_gone_on_from(tmp_path):
    """Within the disk budget states are kept: a longer run goes on from the end of a shorter's
    stable phase, and without a budget none is."""
    import ratewise as rw

    def wsd(length):
        return {f"{length}": (rw.Warmup(10) >> rw.Hold() >> rw.Linear(to=0, over=10), length)}

    made = {}
    for disk in (0, "1MB"):
        path = tmp_path / f"{disk}.db"
        compare(Bowl(), {**wsd(60), **wsd(80)}, peaks=[0.1], journal=path, disk=disk)
        task = Bowl()
        longer = compare(task, wsd(100), peaks=[0.1], journal=path, disk=disk)
        made[disk] = task.made
        assert records(longer) == records(compare(Bowl(), wsd(100), peaks=[0.1]))
    assert made == {0: 100, "1MB": 49}  # the first update of a cooldown is at the peak too
    assert list((tmp_path / "1MB.db.checkpoints").iterdir())


def test_status_while_it_runs_and_behind(tmp_path):
    """From another connection: how far it is, what is on, and how long it will take."""
    path, seen = tmp_path / "runs.db", []

    def look(done, planned, what):
        seen.append(status(path))

    compare(Bowl(), SCHEDULES, **ASKED, journal=path, progress=look)
    assert all(one.running and not one.ended for one in seen)
    assert seen[-1].doing
    assert [one.finished for one in seen] == sorted(one.finished for one in seen)
    last = status(path)
    assert last.ended
    assert last.finished == last.runs == len(SCHEDULES) * 4
    assert last.trained == last.planned
    with pytest.raises(ScheduleError, match="is no file"):
        status(tmp_path / "none.db")
    Journal(tmp_path / "empty.db").close()
    with pytest.raises(ScheduleError, match="holds no comparison yet"):
        status(tmp_path / "empty.db")


def test_a_search_of_peaks_is_continued_too(tmp_path):
    """With peaks="auto" a second time asks for the same peaks, and trains none of them."""
    path = tmp_path / "runs.db"
    first = compare(Bowl(), SCHEDULES, total=TOTAL, peaks="auto", journal=path)
    task = Bowl()
    again = compare(task, SCHEDULES, total=TOTAL, peaks="auto", journal=path)
    assert task.made == 0
    assert records(again) == records(first)


def test_a_torch_task_is_stopped_and_goes_on(tmp_path):
    """A PyTorch task, with dropout and a shuffled loader: to the bit."""
    torch = pytest.importorskip("torch")
    from ratewise.choose import TorchTask

    torch.set_num_threads(1)
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))

    def data(seed):
        return torch.utils.data.DataLoader(
            x, 8, shuffle=True, generator=torch.Generator().manual_seed(seed)
        )

    task = TorchTask(
        model=lambda: torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.Dropout(), torch.nn.Linear(8, 1)
        ),
        optimizer=lambda model: torch.optim.AdamW(model.parameters(), lr=1e-2),
        data=data,
        loss=lambda model, batch: (model(batch) - batch.sum(1, keepdim=True)).square().mean(),
        metric=lambda model: float((model(x) - x.sum(1, keepdim=True)).square().mean()),
    )
    asked = {"total": 60, "peaks": [1e-2], "seeds": 2}
    alone = compare(task, SCHEDULES, **asked)
    path = tmp_path / "runs.db"
    with pytest.raises(Interrupted):
        compare(task, SCHEDULES, **asked, journal=path, progress=stop_after(150))
    result = compare(task, SCHEDULES, **asked, journal=path)
    assert records(result) == records(alone)
    assert 0 < result.trained < alone.trained
    assert np.isfinite([run.metrics["metric"] for run in result.runs]).all()
