"""What is opened is closed when the work ends, and not when somebody collects the rest."""

from __future__ import annotations

import csv
import gc
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import ratewise as rw
from ratewise.choose import choose, compare, find
from ratewise.convert import read, write
from ratewise.logs import read_curves
from ratewise.schedule import ScheduleError
from ratewise.tasks.failures import TaskError
from tests.choose.valley import Valley
from tests.cli.typed import run as typed

DESCRIPTORS = Path("/proc/self/fd")
SHAPES = {"flat": rw.Hold(), "fall": rw.Hold() >> rw.Linear(to=0, over="20%")}
TASK = """
from tests.choose.valley import Valley
task = Valley()
"""

pytestmark = pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="no such table here")


def opened() -> dict[str, str]:
    """What is open now: number and target."""
    found: dict[str, str] = {}
    for one in os.listdir(DESCRIPTORS):
        try:
            found[one] = os.readlink(DESCRIPTORS / one)
        except OSError:  # that of the listing itself
            continue
    return found


@contextmanager
def closed_at_the_end(pipes: bool = False) -> Iterator[None]:
    """Assert that nothing stays open that was not, with nobody there to collect it.

    Args:
        pipes: Whether pipes may stay: tensorboardX has one in each writer, and does not close it.
    """
    gc.collect()
    before = opened()
    gc.disable()
    try:
        yield
        left = {n: what for n, what in opened().items() if before.get(n) != what}
        left = {n: what for n, what in left.items() if not (pipes and what.startswith("pipe:"))}
    finally:
        gc.enable()
    assert left == {}


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("journal") / "runs"
    compare(Valley(), SHAPES, total=20, seeds=1, journal=path)
    return path


@pytest.fixture
def folder(journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one of each kind of file."""
    (tmp_path / "job.py").write_text(TASK, encoding="utf-8")
    (tmp_path / "nano.py").write_text(
        "learning_rate = 6e-4\nmax_iters = 100\nwarmup_iters = 10\n"
        "lr_decay_iters = 100\nmin_lr = 6e-5\n",
        encoding="utf-8",
    )
    (tmp_path / "trainer.yaml").write_text(
        "learning_rate: 1e-3\nlr_scheduler: cosine\nwarmup_ratio: 0.1\nmax_steps: 100\n",
        encoding="utf-8",
    )
    (tmp_path / "broken.yaml").write_text("a: [", encoding="utf-8")
    (tmp_path / "broken.csv").write_text("step,loss\nx,y\n", encoding="utf-8")
    (tmp_path / "events.out.tfevents.1").write_bytes(b"not events")
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as file:
        file.execute("CREATE TABLE a (b)")
    with (tmp_path / "log.csv").open("w", newline="", encoding="utf-8") as file:
        rows = ([t, 3e-4, 1 + 1 / (t + 1)] for t in range(50))
        csv.writer(file).writerows([["step", "lr", "loss"], *rows])
    history = [{"step": t, "learning_rate": 1e-3, "loss": 1 / (t + 1)} for t in range(1, 50)]
    state = {"log_history": history, "global_step": 49}
    (tmp_path / "trainer_state.json").write_text(json.dumps(state), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    shutil.copy(journal, tmp_path / "runs")
    (tmp_path / "no_journal").write_bytes(b"SQLite format 3" + bytes(200))
    sys.modules.pop("job", None)
    return tmp_path


def asked(**more: Any) -> dict[str, Any]:
    return {"total": 20, "seeds": 1, **more}


def schedule_and_detach() -> None:
    torch = pytest.importorskip("torch")
    from ratewise.torch import EffectiveRateLogger, Scheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1)
    scheduler = Scheduler(optimizer, rw.Cosine(to=0), total=20)
    with EffectiveRateLogger(optimizer, every=1, to="rates.csv"):
        optimizer.step()
    scheduler.load_state_dict(scheduler.state_dict())
    scheduler.detach()


def draw(path: str) -> None:
    found = rw.show(rw.Cosine(to=0), total=50)
    found.figure().savefig(path)


CALLS: dict[str, Callable[[], Any]] = {
    "read a config in Python": lambda: read("nano.py"),
    "read a config in YAML": lambda: read("trainer.yaml"),
    "read what cannot be read": lambda: read("broken.yaml"),
    "read what is not there": lambda: read("nothing.yaml"),
    "write": lambda: write(rw.Cosine(to=0), "torch", total=50),
    "curves of a table": lambda: read_curves("log.csv"),
    "curves of a broken table": lambda: read_curves("broken.csv"),
    "curves of a trainer": lambda: read_curves("trainer_state.json"),
    "curves of broken events": lambda: read_curves("events.out.tfevents.1"),
    "curves of a folder": lambda: read_curves("."),
    "curves of a journal": lambda: read_curves("runs"),
    "compare": lambda: compare(Valley(), SHAPES, **asked()),
    "compare with a journal": lambda: compare(Valley(), SHAPES, **asked(journal="runs")),
    "compare with another": lambda: compare(Valley(0.5), SHAPES, **asked(journal="runs2")),
    "compare on a board": lambda: compare(Valley(), SHAPES, **asked(tensorboard="board")),
    "compare with workers": lambda: compare(Valley(), SHAPES, **asked(workers=1)),
    "choose with a journal": lambda: choose(
        Valley(), SHAPES, peaks=[0.1, 0.3], budget=200, finalists=2, **asked(journal="runs3")
    ),
    "a scheduler": schedule_and_detach,
    "find": lambda: find(Valley(), total=40),
    "show to a file": lambda: draw("picture.png"),
    "show on the command line": lambda: typed("show", "Cosine(to=0)", "--total", "50"),
    "a figure": lambda: typed("show", "Cosine()", "--total", "50", "--figure", "a.png"),
    "convert": lambda: typed("convert", "nano.py", "--to", "torch"),
    "convert what is broken": lambda: typed("convert", "broken.yaml"),
    "status": lambda: typed("status", "runs"),
    "compare with what is none": lambda: compare(Valley(), SHAPES, **asked(journal="no_journal")),
    "compare with a database": lambda: compare(Valley(), SHAPES, **asked(journal="other.sqlite")),
    "status of what is none": lambda: typed("status", "no_journal"),
    "status of nothing": lambda: typed("status", "nothing"),
    "predict": lambda: typed("predict", "log.csv"),
    "compare on the command line": lambda: typed(
        "compare", "job:task", "Hold()", "Cosine()", "--total", "20", "--journal", "runs4"
    ),
    "recipes": lambda: typed("recipes"),
}  # fmt: skip


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.parametrize("name", CALLS)
def test_nothing_stays_open(name: str, folder: Path) -> None:
    """Whether the call succeeds or is refused."""

    def call() -> None:
        with suppress(ScheduleError, TaskError, ImportError):
            CALLS[name]()

    call()  # libraries keep some files of their own from the first use on
    with closed_at_the_end(pipes=name == "compare on a board"):
        call()


def test_an_open_file_is_seen(tmp_path: Path) -> None:
    """The count counts."""
    file = None
    with pytest.raises(AssertionError, match="kept"), closed_at_the_end():
        file = (tmp_path / "kept").open("wb")
    assert file is not None
    file.close()
