"""What fails in a user's task, metric, file or system ends in one error, and nothing else."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.typed import ROOT, command, failure_of, run

FILE = Path(__file__).with_name("failing.py").read_text(encoding="utf-8")
COMPARE = ("Hold()", "Linear(to=0)", "--total", "20", "--peaks", "0.1", "--seeds", "1")
CHOOSE = ("--total", "20", "--peaks", "0.05,0.1", "--budget", "100", "--seeds", "2")
EVERY = {"compare": COMPARE, "choose": CHOOSE, "find": ("--seeds", "1", "--rungs", "8")}
TRAINED = {name: EVERY[name] for name in ("compare", "choose")}
COMPARED = {"compare": COMPARE}

RAISES = r"raised ZeroDivisionError \(this fails\)"
MINE = r"mend mine\.py, line \d+, in fails"
WHAT: list[tuple[str, Mapping[str, tuple[str, ...]], int, str]] = [
    # the task, the commands that it is given to, the exit code, and what is said
    ("shut", EVERY, 1, f"Task Shut {RAISES}: {MINE}"),
    ("save", EVERY, 1, f"Task Fine {RAISES}: {MINE}"),
    ("measure", TRAINED, 1, f"Task Fine {RAISES}: {MINE}"),
    ("restore", EVERY, 1, f"Task Fine {RAISES}: {MINE}"),
    ("train", EVERY, 1, f"{RAISES}: {MINE}"),
    ("later", TRAINED, 1, f"{RAISES}: {MINE}"),
    ("left", EVERY, 1, r"called sys\.exit\(0\): mend mine\.py, line \d+, in leaves"),
    ("peakless", {"choose": CHOOSE}, 1, r"Task Peakless raised KeyError \('no such rate'\): mend"),
    ("make", EVERY, 1, f"'mine.py:make' {RAISES}: {MINE}"),
    ("nothing", EVERY, 1, r"Nothing\.open\(0\) returned what has no train\(\), got None: return a"),
    ("number", TRAINED, 2, r"needs a task with open\(seed\), got 5"),
    ("number", {"find": EVERY["find"]}, 2, "cannot train 5: name a task"),
    ("needs", EVERY, 2, r"cannot be called \(missing a required argument: 'what'\)"),
    ("nothng", EVERY, 2, "mine.py has no 'nothng': did you mean nothing"),
    ("nan", {"compare": COMPARE}, 1, "'loss' was nan at the end of"),
    ("inf", {"compare": COMPARE}, 1, "'loss' was inf at the end of"),
    ("nan", {"choose": CHOOSE}, 4, "'loss' was nan at the end of"),
    ("inf", {"choose": CHOOSE}, 4, "'loss' was inf at the end of"),
    ("text", TRAINED, 1, r"Broken\.measure\(\) returned 'good' as 'loss': return a number"),
    ("pair", COMPARED, 1, r"returned array\(\[1\., 1\.\]\) as 'loss': return a number"),
    ("none", COMPARED, 1, "returned None as 'loss': return a number"),
    ("complex_", COMPARED, 1, "returned 1j as 'loss': return a number"),
    ("unnamed", COMPARED, 1, "gave the name 3 to a metric: return a dict whose keys are texts"),
    ("empty", COMPARED, 2, "got no metric from the task: return at least one"),
    ("plain", COMPARED, 1, "returned no dict, got 0.5: return a dict of numbers"),
    ("gone", TRAINED, 1, "returned no 'loss' this time, but more"),
    ("losses_none", EVERY, 1, "returned losses that are no numbers, got None"),
    ("losses_few", EVERY, 1, r"returned losses of shape \(1,\) for \d+ rates"),
    ("losses_text", COMPARED, 1, "returned losses that are no numbers"),
    ("losses_complex", COMPARED, 1, "returned losses that are no numbers"),
    ("unsaved", {"choose": CHOOSE}, 2, r"The state that save\(\) returns cannot be kept"),
]
ASKED = [(name, what, *told) for what, commands, *told in WHAT for name in commands]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("mine", "bad", "task_mine", "task_bad"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def ended(words: tuple[str, ...], code: int, said: str, file: str = "mine.py") -> str:
    """Check how a command has ended that cannot do what it is asked for; return its last line."""
    result = run(*words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    line = failure_of(result.stderr, file)
    assert re.search(said, line), line
    return result.stderr


@pytest.mark.parametrize(("name", "what", "code", "said"), ASKED)
def test_a_task_that_fails_is_one_error(name: str, what: str, code: int, said: str) -> None:
    """Whichever method fails, and whichever command trains: who, what and where, in a line."""
    told = ended((name, f"mine.py:{what}", *EVERY[name]), code, said)
    assert sorted(path.name for path in Path().iterdir()) == ["mine.py"]
    raises = "ZeroDivisionError: this fails\nand says it in two lines" in told
    assert raises == ("ZeroDivisionError" in said)


BAD = {
    "syntax.py": (
        "task = (1\n",
        1,
        r"is not valid Python \('\(' was never closed\): mend \S*bad\.py",
    ),
    "indent.py": ("if 1:\ntask = 1\n", 1, "is not valid Python"),
    "imports": ("import not_here_at_all\n", 1, "install not_here_at_all, or mend bad.py, line 1"),
    "raises": ("x = 1\n{}['rate']\n", 1, r"raised KeyError \('rate'\): mend bad\.py, line 2"),
    "exits": ("import sys\nsys.exit()\n", 1, r"called sys\.exit\(\): put it under if __name__"),
    "null": ("task = 1\0", 1, "is not valid Python|raised ValueError"),
    "latin": ("task = 'é'\n".encode("latin-1"), 1, "is not valid Python"),
    "empty": ("", 2, "bad.py has no 'task'"),
    "ours": ("import ratewise\ntask = ratewise.Hold(level=-1)\n", 2, "needs level in"),
    "getattr": ("def __getattr__(name):\n    return 1 / 0\n", 1, "raised ZeroDivisionError"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("place", ["bad.py", "bad"])
def test_a_file_that_cannot_be_imported_is_one_error(kind: str, place: str) -> None:
    """As a file and as a module; nothing is written, and nothing of it stays imported."""
    text, code, said = BAD[kind]
    content = text if isinstance(text, bytes) else text.encode()
    Path("bad.py").write_bytes(content)
    said = said.replace("bad.py has no", "bad(.py)? has no")
    ended(("compare", f"{place}:task", *COMPARE, "--journal", "runs.db"), code, said, "bad.py")
    assert sorted(path.name for path in Path().iterdir()) == ["bad.py", "mine.py"]


def test_what_failed_is_tried_again_with_the_same_journal() -> None:
    """A mended task goes on from what was trained before it failed."""
    words = ("--total", "150", "--peaks", "0.1", "--seeds", "1", "--journal", "runs.db")
    wrong = (
        "\nclass Flaky(Run):\n    def train(self, rates):\n"
        "        if self.made >= 101 and BROKEN:\n            fails()\n"
        "        return super().train(rates)\n"
        "task = Fine()\ntask.run = Flaky\ntask.fingerprint = 'flaky'\n"
    )
    Path("bad.py").write_text(f"{FILE}{wrong}BROKEN = True\n", encoding="utf-8")
    specs = ("a=Hold()", "b=Hold(over=100) >> Linear(to=0)")
    told = run("compare", "bad.py:task", *specs, *words)
    assert told.exit_code == 1
    assert told.stdout == ""
    assert "2 of 2 runs failed, the first as Task Fine raised ZeroDivision" in told.stderr
    Path("bad.py").write_text(f"{FILE}{wrong}BROKEN = False\n", encoding="utf-8")
    for name in ("bad", "task_bad"):
        sys.modules.pop(name, None)
    again = run("compare", "--resume", "runs.db")
    assert again.exit_code == 0, again.output
    assert "101 updates of runs were taken from runs.db" in again.stdout


def test_runs_that_finish_are_told_before_the_error_of_the_others() -> None:
    """What is known is printed and written; that it is not all is the error behind it."""
    Path("bad.py").write_text(
        FILE + "class High(Run):\n    def train(self, rates):\n"
        "        return fails() if rates.max() > 0.2 else super().train(rates)\n"
        "task = Fine()\ntask.run = High\n",
        encoding="utf-8",
    )
    words = ("compare", "bad.py:task", "Hold()", "--total", "20", "--peaks", "0.1,0.4")
    result = run(*words, "--seeds", "1", "--out", "found")
    assert result.exit_code == 1
    assert "Hold()" in result.stdout
    assert "1 of 2 runs failed, the first as Task Fine raised ZeroDivisionError" in result.stdout
    assert Path("found/results.json").exists()
    assert "1 of 2 runs failed" in failure_of(result.stderr, "bad.py")


@pytest.mark.parametrize("name", EVERY)
def test_ctrl_c_is_one_line(name: str) -> None:
    """With the exit code that shells give, and no traceback."""
    result = run(name, "mine.py:stopped", *EVERY[name])
    assert result.exit_code == 130
    assert "Traceback" not in result.output
    assert result.stderr.count("\n") <= 2


# Workers ------------------------------------------------------------------------------------


def test_a_task_that_fails_in_a_worker_is_one_error() -> None:
    """The frames are those of the file, though it was another process that met them."""
    done = command("compare", "mine.py:later", *COMPARE, "--workers", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be sent to workers" in failure_of(done.stderr, "mine.py")
    Path("bad.py").write_text(
        "from mine import *\nclass Mine(Run):\n    def train(self, rates): fails()\n"
        "class Task(Fine):\n    run = Mine\n",
        encoding="utf-8",
    )
    done = command("compare", "bad.py:Task", *COMPARE, "--workers", "1")
    assert (done.returncode, done.stdout) == (1, "")
    line = failure_of(done.stderr.replace("bad.py", "mine.py"), "mine.py")
    assert "2 of 2 runs failed, the first as Task Task raised ZeroDivisionError (this" in line
    assert "in train" in done.stderr


def test_a_file_that_no_worker_can_import_is_one_error() -> None:
    """It is imported again in every worker, where it may find that something is missing."""
    Path("bad.py").write_text(
        "import multiprocessing\nfrom mine import *\n"
        "if multiprocessing.parent_process() is not None: fails()\n"
        "class Task(Fine): pass\n",
        encoding="utf-8",
    )
    done = command("compare", "bad.py:Task", *COMPARE, "--workers", "1")
    assert (done.returncode, done.stdout) == (1, "")
    line = failure_of(done.stderr.replace("bad.py", "mine.py"), "mine.py")
    assert "cannot begin: in a worker its task raised ZeroDivisionError (this fails)" in line


# The system ---------------------------------------------------------------------------------

SHOW = (sys.executable, "-m", "ratewise", "show", "Hold()", "--total", "9")
HERE = {**os.environ, "PYTHONPATH": str(ROOT / "src")}


def shell(line: str) -> subprocess.CompletedProcess[str]:
    words = " ".join(f"'{word}'" for word in SHOW)
    told = line.replace("SHOW", words)
    return subprocess.run(["bash", "-c", told], capture_output=True, text=True, env=HERE)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("set -o pipefail; SHOW | head -0", None),
        ("SHOW >&-", None),
        ("SHOW 2>&-", None),
        ("SHOW --total soon >&- 2>&-", 2),
    ],
)
def test_whoever_stops_reading_is_not_told_of_it(line: str, code: int | None) -> None:
    """A closed pipe or stream is no error, and certainly no traceback."""
    done = shell(line)
    assert done.stderr == ""
    assert code is None or done.returncode == code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_behind_standard_output_is_one_error() -> None:
    """What cannot be printed is said where it can be."""
    done = shell("SHOW > /dev/full")
    assert done.returncode == 1
    assert "No space left on device" in failure_of(done.stderr, "")


PLACES = [
    ("compare", "--out", "mine.py"),
    ("compare", "--out", "mine.py/found"),
    ("compare", "--out", "/proc/found"),
    ("compare", "--journal", "."),
    ("compare", "--journal", "mine.py/runs.db"),
    ("compare", "--journal", "/proc/runs.db"),
    ("compare", "--journal", "/dev/full"),
    ("choose", "--out", "mine.py/found"),
    ("choose", "--journal", "mine.py/runs.db"),
    ("find", "--figure", "mine.py/x.png"),
    ("find", "--figure", "/proc/x.png"),
]


@pytest.mark.parametrize(("name", "option", "place"), PLACES)
def test_a_place_that_cannot_be_written_is_one_error(name: str, option: str, place: str) -> None:
    """A file where a folder should be, no right to write, no such place."""
    words = (name, "mine.py:fine", *EVERY[name], option, place)
    result = run(*words)
    assert result.exit_code in (1, 2), result.output
    failure_of(result.stderr, "mine.py")
    assert sorted(path.name for path in Path().iterdir()) == ["mine.py"]


def test_ctrl_c_ends_a_range_test_in_one_line() -> None:
    """A process of its own, and a signal of the system."""
    Path("bad.py").write_text(
        "import time\nfrom mine import *\n"
        "class Slow(Run):\n    def train(self, rates):\n"
        "        open('began', 'w').close()\n        time.sleep(0.05)\n"
        "        return super().train(rates)\n"
        "task = Fine()\ntask.run = Slow\n",
        encoding="utf-8",
    )
    words = (sys.executable, "-m", "ratewise", "find", "bad.py:task")
    process = subprocess.Popen(
        words,
        env=HERE,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while process.poll() is None and not Path("began").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "")
    assert errors == "error: ratewise find was stopped by hand: call it again.\n"
