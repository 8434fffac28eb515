"""States on the way: saved in time, at any address, and trained again when they are damaged."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ratewise as rw
from ratewise.choose import compare
from ratewise.compare.comparison import Interrupted
from ratewise.runs.journal.store import FolderStore, RemoteStore, open_store
from ratewise.schedule import ScheduleError
from tests.runs.journal.tasks import ASKED, SCHEDULES, Bowl, records, stop_after

ROOT = Path(__file__).resolve().parents[3]
ONE = {"constant": rw.Hold()}


@pytest.mark.parametrize("workers", [0, 1])
def test_a_long_run_is_saved_on_the_way(tmp_path, workers):
    """Without a fork too: behind an interruption only what came after the last save is trained."""
    path = tmp_path / "runs.db"
    asked = {"total": 1000, "checkpoint_every": 0.0, "workers": workers}
    alone = compare(Bowl(), ONE, total=1000)
    with pytest.raises(Interrupted):
        compare(Bowl(), ONE, **asked, journal=path, progress=stop_after(700))
    result = compare(Bowl(), ONE, **asked, journal=path)
    assert result.trained <= 400
    assert records(result) == records(alone)
    assert not list(tmp_path.glob("runs.db.checkpoints/*.state"))


def test_it_is_saved_on_the_way_only_after_a_while(tmp_path):
    """A quick run writes no state of its way."""
    path = tmp_path / "runs.db"
    with pytest.raises(Interrupted):
        compare(Bowl(), ONE, total=1000, journal=path, progress=stop_after(700))
    assert compare(Bowl(), ONE, total=1000, journal=path).trained == 1000


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_states_damaged_under_way_are_trained_again(truth, tmp_path, damage):
    """Workers find a state damaged that was whole when it was written: the result is the same."""
    path = tmp_path / "runs.db"
    hurt: list[Path] = []

    def harm(done, planned, what):
        for file in (path.parent / "runs.db.checkpoints").glob("*.state"):
            if len(hurt) < 3 and file not in hurt:
                hurt.append(file)
                data = bytearray(file.read_bytes())
                data[len(data) // 2] ^= 1
                file.unlink()
                if damage != "gone":
                    file.write_bytes(data if damage == "flipped" else data[: len(data) // 2])

    result = compare(Bowl(), SCHEDULES, **ASKED, workers=2, journal=path, progress=harm)
    assert len(hurt) == 3
    assert records(result) == records(truth)


def test_an_address_serves_as_a_folder(truth, tmp_path):
    """Checkpoints at an address of fsspec: stopped, continued by workers, and cleared away."""
    pytest.importorskip("fsspec")
    path, place = tmp_path / "runs.db", tmp_path / "elsewhere"
    asked = {**ASKED, "journal": path, "checkpoints": place.as_uri()}
    with pytest.raises(Interrupted):
        compare(Bowl(), SCHEDULES, **asked, progress=stop_after(130))
    assert list(place.glob("*.state"))
    result = compare(Bowl(), SCHEDULES, **asked, workers=2)
    assert records(result) == records(truth)
    assert result.trained < truth.trained
    assert not list(place.iterdir())
    assert not (tmp_path / "runs.db.checkpoints").exists()


@pytest.mark.parametrize("remote", [False, True])
def test_a_store_keeps_whole_states_only(tmp_path, remote):
    """What is read is what was written, or nothing; what nobody knows of is cleared away."""
    if remote:
        pytest.importorskip("fsspec")
    place = (tmp_path / "store").as_uri() if remote else tmp_path / "store"
    store = open_store(place)
    assert isinstance(store, RemoteStore if remote else FolderStore)
    a, b, c, d = (letter * 64 for letter in "abcd")
    size, digest = store.write(a, {"w": [1.0, math.pi]})
    file = tmp_path / "store" / f"{a}.state"
    assert file.stat().st_size == size
    assert store.read(a, digest) == (True, {"w": [1.0, math.pi]})
    assert store.read(b, digest) == (False, None)
    file.write_bytes(file.read_bytes()[:-1])
    assert store.read(a, digest) == (False, None)
    (tmp_path / "store" / f"{c}.1.new").write_bytes(b"half")
    store.write(d, 1)
    store.tidy({a})
    assert [one.name for one in file.parent.iterdir()] == [f"{a}.state"]
    store.remove(a)
    store.remove(a)
    assert not file.exists()


def test_an_address_of_no_known_kind_is_refused(tmp_path):
    """Before anything is trained."""
    pytest.importorskip("fsspec")
    task = Bowl()
    with pytest.raises(ScheduleError, match="gopher"):
        compare(task, SCHEDULES, **ASKED, journal=tmp_path / "x.db", checkpoints="gopher://x/y")
    assert task.made == 0


def test_workers_stop_at_a_full_disk_and_lose_nothing(truth, tmp_path):
    """No room for a checkpoint: it is said once, and with room it goes on."""
    path = tmp_path / "runs.db"
    code = (
        "import resource, signal, sys\n"
        "from tests.runs.journal.tasks import *; from ratewise.choose import compare\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "    try: compare(Bowl(), SCHEDULES, **ASKED, journal=sys.argv[1], workers=2)\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script), str(path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "make room" in done.stdout, done.stdout + done.stderr
    result = compare(Bowl(), SCHEDULES, **ASKED, journal=path, workers=2)
    assert records(result) == records(truth)
    assert 0 < result.trained < truth.trained
