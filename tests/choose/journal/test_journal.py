"""The journal: stopped, killed, damaged or extended, a comparison ends as if it never had been."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ratewise.choose import compare
from ratewise.choose.comparison import Interrupted
from ratewise.choose.journal import Book, status
from ratewise.schedule import ScheduleError
from tests.choose.journal.tasks import SCHEDULES, TOTAL, Bowl

ROOT = Path(__file__).resolve().parents[3]
ASKED = {"total": TOTAL, "peaks": [0.05, 0.2], "seeds": 2}


def records(result):
    """All that a comparison says of its runs, to the bit, with NaN equal to itself."""
    return json.dumps([{**run.to_dict(), "rates": run.rates.tolist()} for run in result.runs])


@pytest.fixture(scope="module")
def truth():
    """The comparison, without a journal and undisturbed."""
    return compare(Bowl(), SCHEDULES, **ASKED)


def stop_after(updates):
    """Progress that stops by hand behind so many updates."""

    def progress(done, planned, what):
        if done >= updates:
            raise KeyboardInterrupt

    return progress


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
    command = [sys.executable, "-m", "tests.choose.journal.driver", str(path), str(notes)]
    kills = random.Random(turn)
    for kill in (kills.randrange(1, 500), kills.randrange(1, 500), 0):
        done = subprocess.run(
            [*command, str(kill)], cwd=ROOT, capture_output=True, text=True, timeout=300
        )
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


def forks(path):
    return sorted(path.with_name(path.name + ".checkpoints").glob("*.state"))


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_checkpoint_is_trained_again(truth, tmp_path, damage):
    """Half a file, a flipped bit, or none: it is noticed, said, and trained again."""
    path = tmp_path / "runs.db"
    with pytest.raises(Interrupted):
        compare(Bowl(), SCHEDULES, **ASKED, journal=path, progress=stop_after(130))
    assert forks(path)
    for file in forks(path):
        data = bytearray(file.read_bytes())
        if damage == "gone":
            file.unlink()
        elif damage == "cut":
            file.write_bytes(data[: len(data) // 2])
        else:
            data[len(data) // 2] ^= 1
            file.write_bytes(data)
    result = compare(Bowl(), SCHEDULES, **ASKED, journal=path)
    assert records(result) == records(truth)
    assert "damaged or gone" in str(result)


def test_half_written_files_are_cleared_away(tmp_path):
    """What a killed process left in the folder of checkpoints goes when the journal is opened."""
    path = tmp_path / "runs.db"
    folder = tmp_path / "runs.db.checkpoints"
    folder.mkdir()
    for name in ("half.new", "unknown.state", "notes.txt"):
        (folder / name).write_bytes(b"x")
    Book(path).close()
    assert [one.name for one in folder.iterdir()] == ["notes.txt"]


def test_two_drivers_are_one_too_many(tmp_path):
    """While one process writes a journal a second is refused, with the number of the first."""
    path = tmp_path / "runs.db"
    first = Book(path)
    task = Bowl()
    with pytest.raises(ScheduleError, match=rf"another comparison \(process {os.getpid()} on"):
        compare(task, SCHEDULES, **ASKED, journal=path)
    assert task.made == 0
    first.close()
    compare(task, {"constant": SCHEDULES["constant"]}, total=TOTAL, journal=path)


def test_what_cannot_be_a_journal_is_refused_before_training(tmp_path):
    """A file of something else, a newer journal, a folder that is none, a size that is none."""
    task = Bowl()
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as file:
        file.execute("CREATE TABLE theirs (x)")
    newer = tmp_path / "newer.db"
    Book(newer).close()
    with sqlite3.connect(newer) as file:
        file.execute("PRAGMA user_version=99")
    (tmp_path / "text").write_text("no database, but long enough to be looked at" * 30)
    cases = {
        other: "is no journal of ratewise",
        newer: "journal of version 99",
        tmp_path / "text": "cannot write there",
        tmp_path / "text" / "runs.db": "cannot write there",
    }
    for path, message in cases.items():
        with pytest.raises(ScheduleError, match=message):
            compare(task, SCHEDULES, **ASKED, journal=path)
    with pytest.raises(ScheduleError, match="is no size"):
        compare(task, SCHEDULES, **ASKED, journal=tmp_path / "x.db", disk="much")
    assert task.made == 0


def test_a_journal_that_cannot_be_written_is_refused_before_training(tmp_path):
    """Read-only for whoever runs it: nothing is trained."""
    path = tmp_path / "runs.db"
    Book(path).close()
    code = (
        "import os, sys; sys.path.insert(0, '.');"
        "from tests.choose.journal.tasks import *; from ratewise.choose import compare;"
        "compare(Bowl(), {'c': SCHEDULES['constant']}, total=TOTAL);"
        "os.setgid(65534); os.setuid(65534);"
        "task = Bowl()\n"
        "try: compare(task, SCHEDULES, total=TOTAL, journal=sys.argv[1])\n"
        "except Exception as error: print(type(error).__name__, error, task.made)"
    )
    if os.getuid() != 0:
        pytest.skip("only root can become somebody else")
    for one in (path, tmp_path):
        one.chmod(0o555 if one is tmp_path else 0o444)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == 0 and parent != Path("/") and not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o011)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True
    )
    tmp_path.chmod(0o755)
    assert done.stdout.startswith("ScheduleError"), done.stdout + done.stderr
    assert "cannot write there" in done.stdout
    assert done.stdout.strip().endswith(" 0")


def test_a_full_disk_stops_it_and_loses_nothing(truth, tmp_path):
    """When there is no room any more it says so; with room it goes on from what was committed."""
    path = tmp_path / "runs.db"
    code = (
        "import resource, signal, sys; sys.path.insert(0, '.');"
        "from tests.choose.journal.tasks import *; from ratewise.choose import compare;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))\n"
        "asked = dict(total=TOTAL, peaks=[.05, .2], seeds=2, journal=sys.argv[1])\n"
        "try: compare(Bowl(), SCHEDULES, **asked)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.startswith("ScheduleError"), done.stdout + done.stderr
    assert "what was committed is kept" in done.stdout
    task = Bowl()
    assert records(compare(task, SCHEDULES, **ASKED, journal=path)) == records(truth)
    assert 0 < task.made < truth.trained


def test_a_failing_candidate_is_kept_with_its_traceback(tmp_path):
    """What raises or diverges is in the journal like everything else, and not tried again."""

    class Fails(Bowl):
        def open(self, seed):
            run = super().open(seed)
            plain = run.train

            def train(rates):
                if (rates > 0.15).any():
                    raise RuntimeError("out of memory")
                return plain(rates)

            run.train = train
            return run

    path = tmp_path / "runs.db"
    asked = {"total": TOTAL, "peaks": [0.05, 0.2, 5.0], "seeds": 1}
    first = compare(Fails(), SCHEDULES, **asked, journal=path)
    assert any("out of memory" in (run.error or "") for run in first.runs)
    again = Fails()
    assert records(compare(again, SCHEDULES, **asked, journal=path)) == records(first)
    assert again.made == 0
    assert status(path).failed > 0


def test_another_task_shares_nothing(tmp_path):
    """A task that begins otherwise is another task, though it has the same name."""

    class Moved(Bowl):
        def open(self, seed):
            run = super().open(seed)
            run.w = run.w + 1
            return run

    path = tmp_path / "runs.db"
    compare(Bowl(), SCHEDULES, **ASKED, journal=path)
    task = Moved()
    result = compare(task, SCHEDULES, **ASKED, journal=path)
    assert task.made == result.trained > 0


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
    Book(tmp_path / "empty.db").close()
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
