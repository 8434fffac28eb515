"""What can go wrong with a journal: it is said, nothing is lost, nothing is half-written."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from ratewise.choose import compare
from ratewise.compare.comparison import Interrupted
from ratewise.runs.journal import Journal, status
from ratewise.schedule import ScheduleError
from tests.runs.journal.tasks import ASKED, SCHEDULES, TOTAL, Bowl, records, stop_after

ROOT = Path(__file__).resolve().parents[3]


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
    name, theirs = "a" * 64, {"notes.txt", "half.new", "model.state"}
    for one in (f"{name}.12.new", f"{name}.state", *theirs):
        (folder / one).write_bytes(b"x")
    Journal(path).close()
    assert {one.name for one in folder.iterdir()} == theirs  # a folder may be somebody's own


def test_two_drivers_are_one_too_many(tmp_path):
    """While one process writes a journal a second is refused, with the number of the first."""
    path = tmp_path / "runs.db"
    first = Journal(path)
    task = Bowl()
    with pytest.raises(ScheduleError, match=rf"another comparison \(process {os.getpid()} on"):
        compare(task, SCHEDULES, **ASKED, journal=path)
    assert task.made == 0
    first.close()
    compare(task, {"constant": SCHEDULES["constant"]}, total=TOTAL, journal=path)


def test_links_to_a_journal_let_no_second_driver_in(tmp_path):
    """A symbolic link leads to the lock of its file; a hard link, which has none, is refused."""
    path, link, other = (tmp_path / name for name in ("runs.db", "link.db", "other.db"))
    link.symlink_to(path)
    first = Journal(path)
    other.hardlink_to(path)
    task = Bowl()
    for name, message in ((link, "another comparison"), (other, "under several names")):
        with pytest.raises(ScheduleError, match=message):
            compare(task, SCHEDULES, **ASKED, journal=name)
    assert task.made == 0
    first.close()
    other.unlink()
    with_states = {"total": TOTAL, "disk": "1MB"}
    few = {name: SCHEDULES[name] for name in ("late", "later")}
    compare(Bowl(), few, **with_states, journal=link)
    assert forks(path)
    assert compare(Bowl(), few, **with_states, journal=path).trained == 0


HOLDS = """
import sys
from ratewise.choose import compare
from tests.runs.journal.tasks import *

def told(done, planned, what):
    print(done, flush=True)
    sys.stdin.readline()

compare(Bowl(), SCHEDULES, **ASKED, journal=sys.argv[1], progress=told)
"""


def test_a_lock_ends_with_its_process(tmp_path):
    """It is told who writes, and `status` sees that he lives; behind SIGKILL the next may write."""
    path = tmp_path / "runs.db"
    command = [sys.executable, "-c", HOLDS, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdout.readline()  # it trains, and waits for us
        assert status(path).running
        with pytest.raises(ScheduleError, match=rf"\(process {process.pid} on"):
            Journal(path)
        process.kill()
    assert not status(path).running
    Journal(path).close()
    assert not status(path).ended


def test_what_cannot_be_a_journal_is_refused_before_training(tmp_path):
    """A file of something else, a newer journal, a folder that is none, a size that is none."""
    task = Bowl()
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as file:
        file.execute("CREATE TABLE theirs (x)")
    newer = tmp_path / "newer.db"
    Journal(newer).close()
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
    Journal(path).close()
    code = (
        "import os, sys; sys.path.insert(0, '.');"
        "from tests.runs.journal.tasks import *; from ratewise.choose import compare;"
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
        "from tests.runs.journal.tasks import *; from ratewise.choose import compare;"
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
    """What raises or diverges is in the journal; what raised is tried again, and no other."""
    mended = False

    class Fails(Bowl):
        def open(self, seed):
            run = super().open(seed)
            plain = run.train

            def train(rates):
                if (rates > 0.15).any() and (rates < 1).all() and not mended:
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
    mended = True
    third = compare(again, SCHEDULES, **asked, journal=path)
    broken = [run for run in first.runs if run.error is not None]
    assert 0 < again.made <= sum(len(run.rates) for run in broken)
    assert [run.error for run in third.runs] == [None] * len(third.runs)
    assert records(third) == records(compare(Bowl(), SCHEDULES, **asked))


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
