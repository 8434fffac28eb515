"""`ratewise choose`: the whole way, as a user types it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import warm

ROOT = Path(__file__).parents[2]
TASK = f"{ROOT / 'tests' / 'choose' / 'valley.py'}:valley"
QUICK = (TASK, "--total", "40", "--peaks", "0.05,0.1,0.2,0.4", "--seeds", "2", "--budget", "480")


def ratewise(*words: str) -> subprocess.CompletedProcess[str]:
    return warm.run(["-m", "ratewise", *words], imported=warm.CHOOSE, cwd=ROOT)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return ratewise("choose", *words)


def test_it_tells_the_story_and_writes_the_page(tmp_path: Path) -> None:
    """The report on the screen, a page with figure and numbers in a folder."""
    out = tmp_path / "out"
    done = run(*QUICK, "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "What to use" in done.stdout
    assert f"wrote {out / 'report.html'}" in done.stdout
    known = json.loads((out / "choice.json").read_text())
    assert known["name"] in done.stdout
    assert known["budget"] == 480


def test_candidates_may_be_given_and_numbers_asked_for() -> None:
    """Only what was given is chosen from; JSON is all that is printed."""
    done = run(*QUICK[:7], "cos=Cosine(to=0)", "Hold()", "--json")
    assert done.returncode == 0, done.stderr
    known = json.loads(done.stdout)
    assert {one["name"] for one in known["expected"]} == {"cos", "Hold()"}


def test_code_is_all_that_is_printed() -> None:
    """It can go straight into a file."""
    done = run(*QUICK, "--code", "torch")
    assert done.returncode == 0, done.stderr
    compile(done.stdout, "code", "exec")


def test_a_journal_remembers_what_was_asked(tmp_path: Path) -> None:
    """`--resume` needs no more words, trains nothing again, and takes a larger budget."""
    journal = str(tmp_path / "runs.db")
    first = json.loads(run(*QUICK, "--journal", journal, "--json").stdout)
    again = json.loads(run("--resume", journal, "--json").stdout)
    assert again["trials"] == first["trials"]
    assert again["name"] == first["name"]
    larger = json.loads(run("--resume", journal, "--budget", "800", "--json").stdout)
    assert larger["budget"] == 800
    assert len(larger["trials"]) >= len(first["trials"])


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    """What is known is printed, the exit code is 130, and `--resume` comes to an end."""
    journal = str(tmp_path / "runs.db")
    slow = tmp_path / "slow.py"
    slow.write_text(
        "import time\n"
        "from tests.choose.valley import Valley, ValleyRun\n"
        "class Run(ValleyRun):\n"
        "    def train(self, rates):\n"
        "        time.sleep(0.15)\n"
        "        return super().train(rates)\n"
        "class Slow(Valley):\n"
        "    fingerprint = 'slow'\n"
        "    def open(self, seed): return Run(seed, self.noise)\n"
        "task = Slow()\n"
    )
    words = (f"{slow}:task", *QUICK[1:], "--journal", journal)
    command = [sys.executable, "-m", "ratewise", "choose", *words]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A shell that runs the tests in the background lets its children ignore Ctrl-C.
    process = subprocess.Popen(
        command, cwd=ROOT, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **pipes
    )
    checkpoints = Path(journal)
    while process.poll() is None and not _finished(checkpoints):
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert f"ratewise choose --resume {journal}" in errors
    assert "stopped by hand" in said
    told = ratewise("status", journal)
    assert f"ratewise choose --resume {journal}" in told.stdout
    wrong = ratewise("compare", "--resume", journal)
    assert wrong.returncode == 2
    assert "was begun by choose" in wrong.stderr
    done = run("--resume", journal)
    assert done.returncode == 0, done.stderr
    assert ratewise("status", journal).stdout.startswith("ended")


def _finished(journal: Path) -> bool:
    """Whether five runs are in a journal."""
    import sqlite3

    if not journal.exists():
        return False
    try:
        with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as file:
            return file.execute("SELECT COUNT(*) FROM runs").fetchone()[0] >= 5
    except sqlite3.Error:
        return False


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "needs a task"),
        ((TASK,), "length of a run"),
        ((TASK, "--total", "40", "--budget", "10"), "less than two runs"),
        ((TASK, "--total", "40", "--peaks", "fast"), "--peaks"),
        ((TASK, "--total", "40", "--code", "fortran"), "fortran"),
        ((TASK, "--total", "40", "Hodl()"), "Hold"),
        (("nowhere.py:task", "--total", "40"), "nowhere.py"),
        (("--resume", "none.db"), "none.db"),
        ((TASK, "--total", "40", "--engine", "abacus"), "abacus"),
    ],
)
def test_bad_words_are_refused_in_one_line(words: tuple[str, ...], told: str) -> None:
    """Exit code 2, one line on standard error, nothing on standard output."""
    done = run(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_folder_with_something_in_it_is_refused_before_training(tmp_path: Path) -> None:
    """No hour is spent on results that have no place to go."""
    (tmp_path / "mine").write_text("mine")
    done = run(*QUICK, "--out", str(tmp_path))
    assert done.returncode == 2
    assert "is there already" in done.stderr
