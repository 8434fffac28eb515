"""`ratewise find`: from a task to a rate, a drawing, a figure or JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ratewise.cli import app

TASK = '''
"""A parabola that breaks above 1, and one that is flat."""
import numpy as np


class Run:
    def __init__(self, seed, curved):
        self.random, self.curved = np.random.default_rng(seed), curved
        self.at = self.random.normal(size=4)

    def train(self, rates):
        losses = []
        for rate in rates:
            losses.append(float(self.at @ self.at))
            self.at = self.at - self.curved * rate * 2 * self.at
        return np.array(losses)

    def measure(self):
        return {}

    def save(self):
        return self.at.copy()

    def restore(self, state):
        self.at = state.copy()


class Parabola:
    curved = 1.0

    def open(self, seed):
        return Run(seed, self.curved)


class Flat(Parabola):
    curved = 0.0
'''


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hollow.py").write_text(TASK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "hollow", raising=False)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["find", *words])


def test_a_rate_is_found_and_drawn() -> None:
    """The drawing, the table and the paragraph are printed, and the figure is written."""
    result = run("hollow:Parabola", "--lowest", "1e-5", "--figure", "test.png")
    assert result.exit_code == 0, result.output
    assert "Use a peak of about 0." in result.output
    assert "onset of divergence" in result.output
    assert Path("test.png").read_bytes().startswith(b"\x89PNG")


def test_json_holds_all_of_it() -> None:
    """`--json` prints nothing else, and options reach the ladder."""
    options = ["--lowest", "1e-4", "--highest", "5", "--rungs", "40", "--seeds", "2"]
    result = run("hollow.py:Parabola", *options, "--updates", "2", "--json")
    found = json.loads(result.output)
    assert 0.05 < found["rate"] < 1.2
    assert found["ladder"] == {"lowest": 1e-4, "highest": 5.0, "rungs": 40, "updates": 2}
    assert [sweep["seed"] for sweep in found["sweeps"]] == [0, 1]


def test_no_answer_is_said_and_is_no_error() -> None:
    """A flat curve has a reason in place of a rate."""
    result = run("hollow:Flat", "--seeds", "1")
    assert result.exit_code == 0
    assert "No answer, because the loss is flat" in result.output
    assert json.loads(run("hollow:Flat", "--json").output)["rate"] is None


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["hollow:Parabola", "--lowest", "1e-6", "--highest", "1e-4"], "give --highest 0.01"),
        (["hollow:Parabola", "--lowest", "1", "--highest", "100"], "give --lowest 1e-4, or look"),
    ],
)
def test_advice_is_told_in_options(words: list[str], advice: str) -> None:
    """On the screen and in JSON; in Python the same advice speaks of arguments."""
    options = ["--seeds", "1", "--rungs", "20"]
    assert advice in " ".join(run(*words, *options).output.split())
    assert advice in json.loads(run(*words, *options, "--json").output)["advice"]


@pytest.mark.parametrize(
    "words",
    [
        ["hollow:Nothing"],
        ["hollow:Parabola", "--rungs", "3"],
        ["hollow:Parabola", "--lowest", "1", "--highest", "0.1"],
        ["hollow:Parabola", "--figure", "test.txt"],
        ["hollow:Parabola", "--figure", "nowhere/test.png"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_one_line(words: list[str]) -> None:
    """Exit code 2 and one line that says what to write."""
    result = run(*words)
    assert result.exit_code == 2
    assert result.output.startswith("error: ")
    assert len(result.output.strip().splitlines()) == 1
