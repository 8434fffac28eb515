"""What was measured is sealed: damage is found, and what is damaged is trained again or refused."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratewise.choose import compare, read_curves
from ratewise.runs.journal import Journal, asked_for, remember, status
from ratewise.runs.journal.seals import seal
from ratewise.schedule import ScheduleError
from tests.runs.journal import damage, strangers
from tests.runs.journal.damage import ASKED, PLANS
from tests.runs.journal.tasks import Bowl, records

COUNT = int(os.environ.get("RATEWISE_FUZZ", "150"))


def test_no_damaged_journal_gives_another_result(tmp_path: Path) -> None:
    """Bits, pages, values, rows, the log, checkpoints: unharmed, trained again, or refused."""
    came = Counter(outcome for outcome, _ in damage.every(COUNT, tmp_path))
    assert came["different"] == 0
    assert min(came["refused"], came["trained again"], came["unharmed"]) > COUNT // 50


values = st.none() | st.text(max_size=3) | st.binary(max_size=3) | st.integers(-9, 9) | st.floats()
rows = st.lists(values, max_size=4)


@settings(max_examples=100, derandomize=True)
@given(rows, rows)
def test_rows_that_differ_have_seals_that_differ(one: list, other: list) -> None:
    """The parts of a row cannot be told in two ways, and 1, 1.0 and "1" are three."""
    same = list(map(repr, one)) == list(map(repr, other))
    assert (seal("runs", one) == seal("runs", other)) == same
    assert seal("runs", one) != seal("rates", one)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a journal that was stopped, with states on the way."""
    return damage.made(tmp_path_factory.mktemp("sound") / "journal", 60).folder


@pytest.mark.parametrize("name", strangers.EVIL)
def test_a_strangers_journal_does_no_harm(sound: Path, tmp_path: Path, name: str) -> None:
    """Whatever is asked of it, the answer is one, or an error of ours that names the file."""
    folder = tmp_path / "theirs"
    shutil.copytree(sound, folder)
    strangers.EVIL[name](folder / "runs.db")
    for what, look in strangers.looks(folder / "runs.db").items():
        if name == "a pipe" and what == "curves":
            continue  # that is for whoever tells formats apart
        with contextlib.suppress(ScheduleError):
            look()
            continue
        with pytest.raises(ScheduleError, match=r"runs\.db|damaged|journal=") as told:
            look()
        assert str(told.value).isprintable()
    if (folder / "victim").exists():
        assert (folder / "victim").read_text() == "precious"


def test_a_row_of_another_run_is_not_taken(tmp_path: Path) -> None:
    """Two rows, whole, under each other's names: both runs are trained again."""
    path = tmp_path / "runs.db"
    truth = compare(Bowl(), PLANS, **ASKED, journal=path)
    with contextlib.closing(sqlite3.connect(path)) as file:
        one, other = file.execute("SELECT run FROM runs WHERE diverged IS NULL LIMIT 2").fetchall()
        for old, new in ((*one, "x"), (*other, *one), ("x", *other)):
            file.execute("UPDATE runs SET run = ? WHERE run = ?", (new, old))
        file.commit()
    for look in (status, read_curves):
        with pytest.raises(ScheduleError, match="damaged"):
            look(path)
    task = Bowl()
    again = compare(task, PLANS, **ASKED, journal=path)
    assert records(again) == records(truth)
    assert task.made > 0
    assert "damaged or gone" in str(again)
    assert status(path).ended
    assert len(read_curves(path)) == 3


def test_a_row_that_is_gone_is_missed(tmp_path: Path) -> None:
    """A run, or the last command: no reader takes what is left for all there was."""
    path = tmp_path / "runs.db"
    remember(path, {"command": "compare", "seeds": 1})
    compare(Bowl(), PLANS, **ASKED, journal=path)
    remember(path, {"command": "compare", "seeds": 5})
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("DELETE FROM runs WHERE run = (SELECT run FROM runs LIMIT 1)")
        file.execute("DELETE FROM commands WHERE command = 2")
        file.commit()
    for look in (status, read_curves, asked_for):
        with pytest.raises(ScheduleError, match="damaged"):
            look(path)


def test_numbers_without_end_are_kept_and_told(tmp_path: Path) -> None:
    """Names of half characters, controls and all languages: kept, read, and never raw."""
    path = tmp_path / "runs.db"
    names = ["\ud83d", "\x1b[31m", "a\0b", "名前", "é" * 300, "'; DROP TABLE runs; --"]
    plans = dict.fromkeys(names, PLANS["late"])
    first = compare(Bowl(), plans, total=24, journal=path)
    task = Bowl()
    assert records(compare(task, plans, total=24, journal=path)) == records(first)
    assert task.made == 0
    assert len(read_curves(path)) == 1  # they are one and the same run
    assert status(path).doing.isprintable() or status(path).ended


def test_a_journal_larger_than_is_checked_at_once_is_made_good_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large one, what is long is looked at when it is needed."""
    monkeypatch.setattr("ratewise.runs.journal.database.CHECKED", 0)
    path = tmp_path / "runs.db"
    truth = compare(Bowl(), PLANS, **ASKED, journal=path)
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE runs SET losses = zeroblob(length(losses))")
        file.execute("UPDATE rates SET rates = zeroblob(length(rates))")
        file.commit()
    assert records(compare(Bowl(), PLANS, **ASKED, journal=path)) == records(truth)
    task = Bowl()
    assert records(compare(task, PLANS, **ASKED, journal=path)) == records(truth)
    assert task.made == 0
    Journal(path).close()
    assert len(read_curves(path)) == 3
