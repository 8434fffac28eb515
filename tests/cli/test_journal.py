"""Comparisons with a journal on the command line: stopped, looked at, and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ratewise.cli import app

TASK = """
import time
import numpy as np

class Run:
    def __init__(self, seed):
        self.w, self.random = 1.0, np.random.default_rng(seed)
    def train(self, rates):
        losses = []
        for rate in rates:
            time.sleep(PAUSE)
            losses.append(self.w ** 2)
            self.w -= rate * (self.w + self.random.normal())
        return np.array(losses)
    def measure(self):
        return {"loss": self.w ** 2}
    def save(self):
        return self.w, self.random.bit_generator.state
    def restore(self, state):
        self.w, self.random.bit_generator.state = state

class Task:
    peak = 0.1
    def open(self, seed):
        return Run(seed)

PAUSE = 0.0
task = Task()
"""
ASKED = ["slow:task", "Hold()", "Hold() >> Linear(to=0, over='20%')", "--total", "150"]
ASKED += ["--seeds", "2"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "slow.py").write_text(TASK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    return CliRunner().invoke(app, [*words], catch_exceptions=False)


def last(output):
    return [line for line in output.splitlines() if "updates trained for" in line][-1]


def test_a_second_time_nothing_is_trained(folder):
    """With --resume alone the last comparison of a journal is asked for again, and read from it."""
    first = run("compare", *ASKED, "--journal", "runs.db")
    assert first.exit_code == 0, first.output
    again = run("compare", "--resume", "runs.db")
    assert again.exit_code == 0, again.output
    assert last(again.stdout).startswith("0 updates trained for 600")
    assert first.stdout.splitlines()[:3] == again.stdout.splitlines()[:3]


def test_options_beside_resume_extend_it(folder):
    """More seeds: only what is new is trained."""
    run("compare", *ASKED, "--journal", "runs.db")
    more = run("compare", "--resume", "runs.db", "--seeds", "3")
    assert last(more.stdout).startswith("179 updates trained for 900")


def test_status_says_how_far_it_is(folder):
    """As text, and as JSON with the same numbers."""
    run("compare", *ASKED, "--journal", "runs.db")
    text = run("status", "runs.db").stdout
    assert text.startswith("ended: 4 of 4 runs finished, 0 failed\n358 of 358 updates trained in ")
    numbers = json.loads(run("status", "runs.db", "--json").stdout)
    assert (numbers["finished"], numbers["trained"], numbers["ended"]) == (4, 358, True)


@pytest.mark.slow
def test_killed_it_is_seen_and_continued(folder):
    """A comparison killed with SIGKILL is shown as stopped, and goes on with what it had."""
    whole = run("compare", *ASKED, "--journal", "whole.db").stdout
    (folder / "slow.py").write_text(TASK.replace("PAUSE = 0.0", "PAUSE = 0.01"))
    words = [sys.executable, "-m", "ratewise", "compare", *ASKED, "--journal", "runs.db"]
    with subprocess.Popen(words, cwd=folder, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        trained = 0
        while trained < 150 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
            seen = run("status", "runs.db", "--json")
            trained = json.loads(seen.stdout)["trained"] if seen.exit_code == 0 else 0
        assert json.loads(run("status", "runs.db", "--json").stdout)["running"]
        refused = run("compare", "--resume", "runs.db")
        assert refused.exit_code
        assert f"process {process.pid}" in refused.output
        os.kill(process.pid, signal.SIGKILL)
    text = run("status", "runs.db").stdout
    assert text.startswith("stopped: ")
    assert "go on with  ratewise compare --resume runs.db" in text
    (folder / "slow.py").write_text(TASK)
    done = run("compare", "--resume", "runs.db")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[:3] == whole.splitlines()[:3]
    assert not last(done.stdout).startswith("358 updates")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare"], "needs a task and schedules"),
        (["compare", "slow:task"], "needs a task and schedules"),
        (["compare", "--resume", "none.db"], "is no file"),
        (["compare", *ASKED, "--journal", "slow.py"], "cannot write there"),
        (["compare", *ASKED, "--journal", "runs.db", "--disk", "much"], "is no size"),
        (["status", "none.db"], "is no file"),
        (["status", "slow.py"], "cannot be read"),
    ],
)
def test_bad_input_is_refused_in_a_line(folder, words, message):
    """Nothing is written, and the message says what to write."""
    result = run(*words)
    assert result.exit_code
    assert message in result.output
    assert sorted(path.name for path in Path().iterdir() if path.suffix == ".db") == []


def test_a_journal_written_from_python_is_resumed_from_python(folder):
    """The command line says so, as it cannot know what was asked for."""
    from ratewise.runs.journal import Journal

    Journal("runs.db").close()
    result = run("compare", "--resume", "runs.db")
    assert "was not begun by this command" in result.output


def test_workers_are_hired_by_an_option(folder):
    """Two worker processes print what one process prints; what cannot be hired is refused."""
    alone = run("compare", *ASKED)
    options = ["--workers", "2", "--journal", "runs.db", "--checkpoints", "states"]
    command = [sys.executable, "-m", "ratewise", "compare", *ASKED, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:6] == alone.stdout.splitlines()[:6]
    refused = run("compare", *ASKED, "--engine", "serial", "--workers", "2")
    assert refused.exit_code == 2
    assert "takes no workers" in refused.output


def test_the_worse_ones_are_dropped_by_an_option(folder):
    """Who was dropped is said; another way to drop is refused before anything is trained."""
    done = run("compare", *ASKED, "Step(0.1, at='50%')", "--prune", "halving", "--peaks", ".1,.2")
    assert done.exit_code == 0, done.output
    assert "Dropped at 25%, once cooled: " in done.output
    refused = run("compare", *ASKED, "--prune", "median")
    assert refused.exit_code == 2
    assert "is no way to prune" in refused.output
