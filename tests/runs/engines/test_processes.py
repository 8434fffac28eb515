"""Worker processes: the same bits as one process, whatever happens to the workers."""

from __future__ import annotations

import collections
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ratewise.choose import Search, compare
from ratewise.compare.comparison import Interrupted
from ratewise.runs.journal import status
from ratewise.schedule import ScheduleError
from tests.runs.engines.tasks import Failing, Killer, Light, Slow, Threads, mixed, same
from tests.runs.journal.tasks import ASKED, SCHEDULES, TOTAL, Bowl, records

ROOT = Path(__file__).resolve().parents[3]


def trained(notes):
    """Return how often each update (seed, rate and place) was made."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    return collections.Counter(tuple(json.loads(line)) for line in lines)


@pytest.fixture(scope="module")
def alone():
    """The 27 candidates, trained in this process."""
    return compare(Bowl(), mixed(), peaks=[0.05])


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_gives_the_same_bits(alone, workers):
    """27 mixed candidates: as many updates, the same losses and metrics."""
    result = compare(Bowl(), mixed(), peaks=[0.05], workers=workers)
    assert same(result, alone)
    assert result.trained == alone.trained <= 12_500
    assert result.asked == 26_750


def test_workers_work_at_the_same_time():
    """Stretches that do not wait for each other are on in several processes."""
    asked = {"total": TOTAL, "peaks": [0.02, 0.05, 0.1], "seeds": 3}
    result = compare(Slow(), SCHEDULES, **asked, workers=2)
    processes = {run.metrics["process"] for run in result.runs}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_workers_stay_from_list_to_list():
    """Rounds of a search for peaks are trained by the same processes."""
    pytest.importorskip("optuna")
    few = {name: SCHEDULES[name] for name in ("late", "step")}
    asked = {"total": 30, "peaks": Search(1e-2, 0.5, tries=5)}
    result = compare(Slow(), few, **asked, workers=2)
    assert len({run.peak for run in result.runs}) >= 5
    assert len({run.metrics["process"] for run in result.runs}) <= 2


def test_a_killed_worker_is_replaced(truth, tmp_path):
    """SIGKILL in the middle of a stretch: it is trained again, and no other is."""
    task = Bowl(tmp_path / "notes", kill=60, once=tmp_path / "killed")
    result = compare(task, SCHEDULES, **ASKED, workers=2, journal=tmp_path / "runs.db")
    assert (tmp_path / "killed").exists()
    assert records(result) == records(truth)
    twice = sum(count - 1 for count in trained(tmp_path / "notes").values())
    assert 0 < twice + result.trained - truth.trained <= 2 * TOTAL


def test_a_worker_that_always_dies_ends_its_run_alone(monkeypatch):
    """A stretch that kills three workers is given up, with the reason; workers that begin."""
    monkeypatch.setenv("RATEWISE_TEST_DRIVER", str(os.getpid()))
    result = compare(Killer(), {"late": SCHEDULES["late"]}, total=TOTAL, workers=1)
    assert "given up after 3 tries: a worker process died" in (result.runs[0].error or "")


def test_a_failing_candidate_does_not_end_the_others():
    """What raises in a worker has its traceback in the record, as in this process."""
    asked = {"total": TOTAL, "peaks": [0.05, 0.2, 5.0]}
    there = compare(Failing(), SCHEDULES, **asked, workers=2)
    here = compare(Failing(), SCHEDULES, **asked)
    assert same(there, here)
    assert [run.diverged for run in there.runs] == [run.diverged for run in here.runs]
    assert all(
        ("out of memory" in (there_.error or "")) == ("out of memory" in (here_.error or ""))
        for there_, here_ in zip(there.runs, here.runs, strict=True)
    )


def test_a_killed_driver_takes_its_workers_along_and_loses_nothing(truth, tmp_path):
    """SIGKILL of the driver: the workers end, and what was committed is not trained again."""
    path, notes = tmp_path / "runs.db", tmp_path / "notes"
    code = (
        "import os, sys, threading, time\n"
        "from ratewise.choose import compare\n"
        "from tests.runs.journal.tasks import *\n"
        "from tests.runs.engines.tasks import Unhurried\n"
        "if __name__ == '__main__':\n"
        "    def kill(done, planned, what):\n"
        "        if done >= 300: os.kill(os.getpid(), 9)\n"
        "    task = Unhurried(Path(sys.argv[2]))\n"
        "    compare(task, SCHEDULES, **ASKED, workers=2, journal=sys.argv[1], progress=kill)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, str(script), str(path), str(notes)],
        env=environment,
        timeout=120,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    kept = status(path).trained
    before = trained(notes)
    result = compare(Bowl(notes), SCHEDULES, **ASKED, workers=2, journal=path)
    assert records(result) == records(truth)
    assert result.trained == truth.trained - kept
    again = trained(notes) - before
    assert sum(again.values()) == result.trained


def test_ctrl_c_ends_the_workers_and_keeps_what_was_finished(truth, tmp_path):
    """What is finished is in the interrupt; the same comparison goes on behind it."""

    def stop(done, planned, what):
        if done >= 400:
            raise KeyboardInterrupt

    path = tmp_path / "runs.db"
    with pytest.raises(Interrupted) as stopped:
        compare(Bowl(), SCHEDULES, **ASKED, workers=2, journal=path, progress=stop)
    assert 0 < stopped.value.comparison.trained < truth.trained
    result = compare(Bowl(), SCHEDULES, **ASKED, workers=2, journal=path)
    assert records(result) == records(truth)
    assert result.trained < truth.trained


def test_workers_compute_with_as_many_threads():
    """Sums depend on how they are split over threads: workers split them as this process does."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        result = compare(Threads(), {"late": SCHEDULES["late"]}, total=TOTAL, workers=1)
    finally:
        torch.set_num_threads(before)
    assert result.runs[0].metrics["threads"] == 3


def test_workers_import_no_pytorch_that_the_task_does_not():
    """It takes seconds; that it is in use where the comparison was asked for does not matter."""
    pytest.importorskip("torch")
    result = compare(Light(), {"late": SCHEDULES["late"]}, total=TOTAL, workers=1)
    assert result.runs[0].metrics["torch"] == 0


def test_what_cannot_be_hired_is_refused():
    """Before anything is trained: unknown engines, counts that are none, tasks that cannot go."""
    task = Bowl()
    cases = [
        ({"engine": "rayy"}, "write 'ray'|ray"),
        ({"workers": -1}, "needs a number of workers"),
        ({"workers": "many"}, "needs a number of workers"),
        ({"engine": "serial", "workers": 2}, "takes no workers"),
        ({"address": "auto"}, "is for a cluster of Ray"),
        ({"checkpoint_every": -1}, "checkpoint_every"),
    ]
    for options, message in cases:
        with pytest.raises(ScheduleError, match=message):
            compare(task, SCHEDULES, **ASKED, **options)

    class Local(Bowl):
        pass

    with pytest.raises(ScheduleError, match=r"cannot be sent to workers.*at the top of a module"):
        compare(Local(), SCHEDULES, **ASKED, workers=2)
    assert task.made == 0


def test_a_script_without_a_guard_is_told_so(tmp_path):
    """Workers that import the script that began them cannot begin: the message says what to do."""
    script = tmp_path / "script.py"
    script.write_text(
        "from ratewise.choose import compare\n"
        "from tests.runs.journal.tasks import *\n"
        "compare(Bowl(), SCHEDULES, **ASKED, workers=1)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        timeout=120,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert '__name__ == "__main__"' in done.stderr.splitlines()[-1]
