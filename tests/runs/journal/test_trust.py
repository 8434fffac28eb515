"""Who may have a journal run something: whoever wrote it here, or is trusted by name."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ratewise.choose.peak_range import where_to_look
from ratewise.cli import app
from ratewise.runs.journal import asked_for, remember, told_of
from ratewise.runs.journal.tables import COMMANDS, FINDINGS
from ratewise.schedule import ScheduleError
from tests.choose.valley import Valley

ROOT = Path(__file__).resolve().parents[3]
KILLS = max(6, int(os.environ.get("RATEWISE_FUZZ", "0")) // 10)

TASK = """
from pathlib import Path
import numpy as np
Path("ran").write_text("x")

class Run:
    w = 1.0
    def train(self, rates):
        return np.array([self.w for _ in rates])
    def measure(self):
        return {"loss": self.w}
    def save(self):
        return self.w
    def restore(self, state):
        self.w = state

class Task:
    peak = 0.1
    def open(self, seed):
        return Run()

task = Task()
"""


def run(*words: str) -> Any:
    return CliRunner().invoke(app, [*words], catch_exceptions=False)


def test_what_a_stranger_asked_for_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal names the file of a task: it is imported for its own writer, or with --trust."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "them"))
    Path("evil.py").write_text(TASK)
    first = run("compare", "evil.py:task", "Hold()", "--total", "8", "--seeds", "1",
                "--journal", "runs.db")  # fmt: skip
    assert first.exit_code == 0, first.output
    Path("ran").unlink()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "me"))
    refused = run("compare", "--resume", "runs.db")
    assert refused.exit_code
    assert "names a task to be run" in refused.output
    assert "--trust" in refused.output
    assert run("status", "runs.db").exit_code == 0
    assert not Path("ran").exists()
    for words in (["--trust"], ["evil.py:task"]):
        again = run("compare", *words[1:], "--resume", "runs.db", *words)
        assert again.exit_code == 0, again.output
        assert Path("ran").exists()
        assert "0 updates trained" in again.output
    assert asked_for(tmp_path / "runs.db")["task"] == "evil.py:task"  # now it is ours


def test_words_that_were_changed_are_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger can seal anew, and not sign."""
    path = tmp_path / "runs.db"
    remember(path, {"command": "compare", "task": "mine.py:task"})
    with contextlib.closing(sqlite3.connect(path)) as file:
        (row,) = COMMANDS.read(file, long=False)
        assert row is not None
        COMMANDS.write(file, {**row, "words": row["words"].replace("mine", "evil")})
        file.commit()
    assert told_of(path)["task"] == "evil.py:task"
    with pytest.raises(ScheduleError, match="not begun by you"):
        asked_for(path)


FOUND = ["[]", "[[], []]", '[["a"], [1.0]]', "[[1.0, 1.0], [NaN, 2.0]]", "null", "7", "{}"]
FOUND += ["[[" + "1.0," * 5000 + "1.0], [1.0]]", "[[1e999, 1e999]]"]


def test_a_range_test_that_cannot_have_been_is_made_again(tmp_path: Path) -> None:
    """What a stranger says it found is held against what a climb can find."""
    path = tmp_path / "runs.db"
    asked: Any = {"task": Valley(), "total": 60, "budget": 960, "journal": path}
    peaks = where_to_look(**asked)[0]
    for found in FOUND:
        with contextlib.closing(sqlite3.connect(path)) as file:
            rows = [row for row in FINDINGS.read(file, long=False) if row]
            assert len(rows) == 1
            FINDINGS.write(file, {**rows[0], "found": found})
            file.commit()
        assert where_to_look(**asked)[0] == peaks


@pytest.mark.skipif(not hasattr(os, "fork"), reason="drivers are forked, to be quick")
def test_what_was_committed_is_trained_once_however_often_it_is_killed() -> None:
    """SIGKILL at random moments, again and again: equal results, and nobody trained in vain."""
    command = [sys.executable, "-m", "tests.runs.journal.kills", str(KILLS), "0"]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "all results equal" in done.stdout
