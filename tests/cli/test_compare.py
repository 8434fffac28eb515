"""`ratewise compare`: from what a user types to what is on the disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ratewise.cli.parsing import read_peaks
from tests.cli.typed import command, error_of, run

TASK = '''
"""A parabola that is walked down with noise."""
import numpy as np


class Walk:
    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.at = self.random.normal(size=4)

    def train(self, rates):
        losses = []
        for rate in rates:
            losses.append(float(self.at @ self.at))
            self.at = self.at - rate * (self.at + 0.3 * self.random.normal(size=4))
        return np.array(losses)

    def measure(self):
        return {"loss": float(self.at @ self.at)}

    def save(self):
        return self.at.copy(), self.random.bit_generator.state

    def restore(self, state):
        self.at = state[0].copy()
        self.random.bit_generator.state = state[1]


class Parabola:
    def open(self, seed):
        return Walk(seed)


class Broken:
    def open(self, seed):
        raise RuntimeError("the data are gone")


class Late(Walk):
    calls = 0

    def train(self, rates):
        Late.calls += 1
        if Late.calls > 3:
            raise KeyboardInterrupt
        return super().train(rates)


class Stopped:
    def open(self, seed):
        return Late(seed)


def make():
    return Parabola()


def needs(what):
    return Parabola()


task = Parabola()
nothing = None
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a task in it; what is imported there is forgotten again."""
    (tmp_path / "parabola.py").write_text(TASK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", sys.modules)
    for name in ("parabola", "task_parabola"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


# compare ------------------------------------------------------------------------------------

COMPARED = ("cos=Warmup(5) >> Cosine()", "flat=Hold()", "--total", "40", "--peaks", "0.01,0.1")


@pytest.mark.parametrize(
    "task", ["parabola:task", "parabola:make", "parabola:Parabola", "parabola.py:task"]
)
def test_compare_prints_the_table_and_the_verdict(task: str, folder: Path) -> None:
    """A task is named by module or by file, and made if what is named makes it."""
    result = run("compare", task, *COMPARED, "--seeds", "2")
    assert result.exit_code == 0, result.output
    assert {"cos", "flat"} <= {line.split()[0] for line in result.stdout.splitlines() if line}
    assert "updates trained for 320" in result.stdout


def test_advice_of_a_verdict_is_told_in_options(folder: Path) -> None:
    """One seed is too few, and more of them are an option."""
    result = run("compare", "parabola:task", *COMPARED, "--seeds", "1")
    assert "Repeat with --seeds 3 or more." in result.stdout


def test_compare_writes_what_it_found(folder: Path) -> None:
    """`--out` makes a folder with every run in it, and nothing beside it."""
    result = run("compare", "parabola:task", *COMPARED, "--seeds", "2", "--out", "deep/found")
    assert result.exit_code == 0, result.output
    content = json.loads((folder / "deep/found/results.json").read_text(encoding="utf-8"))
    assert [(one["name"], one["seed"]) for one in content["runs"][:2]] == [("cos", 0), ("cos", 1)]
    assert len(content["runs"]) == 8
    assert content["verdict"]["text"] in result.stdout
    assert {one["name"] for one in content["time_to_target"]["candidates"]} == {"cos", "flat"}
    assert (folder / "deep/found/figure.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in (folder / "deep").iterdir()] == ["found"]


def test_without_matplotlib_the_results_are_written_and_the_extra_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing library costs the figure, not the results."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run("compare", "parabola:task", *COMPARED, "--seeds", "1", "--out", "found")
    assert result.exit_code == 0, result.output
    assert "pip install 'ratewise[plot]'" in result.stdout
    assert [path.name for path in (folder / "found").iterdir()] == ["results.json"]


def test_results_appear_whole_or_not_at_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If writing fails half-way nothing is left behind."""
    from ratewise.choose import Comparison

    def fail(self: object) -> None:
        raise RuntimeError("no figure today")

    monkeypatch.setattr(Comparison, "figure", fail)
    result = run("compare", "parabola:task", *COMPARED, "--seeds", "1", "--out", "found")
    assert isinstance(result.exception, RuntimeError)
    assert [path.name for path in folder.iterdir() if path.suffix != ".py"] in ([], ["__pycache__"])


def test_a_stopped_comparison_keeps_what_is_finished(folder: Path) -> None:
    """Ctrl-C prints and writes the runs that are done, and exits with 130."""
    result = run("compare", "parabola:Stopped", *COMPARED, "--seeds", "1", "--out", "found")
    assert result.exit_code == 130
    assert "cos" in result.stdout
    assert (folder / "found" / "results.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("parabola",), "'parabola' does not name a task: write MODULE:TASK"),
        (("nowhere:task",), "Module 'nowhere' is not found"),
        (("nowhere.py:task",), "File 'nowhere.py' is not found"),
        (("parabola:tusk",), "parabola has no 'tusk': did you mean task"),
        (("parabola:needs",), "cannot be called (missing a required argument: 'what')"),
        (("parabola:nothing",), "needs a task with open(seed), got None"),
        (("parabola:task", "--peaks", "abc"), "'abc' is not a list of learning rates: write"),
        (("parabola:task", "--peaks", "1e-3,-1"), "needs peaks above 0, got -1.0"),
        (("parabola:task", "--peaks", ""), "needs peaks to be a list of at least one"),
        (("parabola:task", "--metric", "los"), "did you mean loss"),
        (("parabola:task", "--out", "."), "is there already: give a new folder"),
    ],
)
def test_what_cannot_be_compared_gets_one_line_of_advice(
    words: tuple[str, ...], message: str, folder: Path
) -> None:
    """Everything a user can mistype is told before anything is trained."""
    task, *options = words
    peaks = () if "--peaks" in options else ("--peaks", "0.1")
    assert message in error_of("compare", task, "Hold()", "--total", "9", *peaks, *options)


def test_a_missing_total_or_peak_is_asked_for_by_its_option(folder: Path) -> None:
    """The advice names options, not arguments of functions."""
    assert "give --total N" in error_of(
        "compare", "parabola:task", "Warmup('5%') >> Cosine(to=0.1)"
    )
    told = error_of("compare", "parabola:task", "Warmup('5%') >> Cosine(to=0.1)", "--total", "100")
    assert "give --peaks 3e-4,1e-3,3e-3" in told


def test_an_error_in_the_users_code_keeps_its_traceback(folder: Path) -> None:
    """What is not ours is not dressed up: the user's own exception comes through."""
    result = command("compare", "parabola.py:Broken", "Hold()", "--total", "9", "--peaks", "1")
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "RuntimeError: the data are gone" in result.stderr
    (folder / "wants.py").write_text("import not_installed_here\n", encoding="utf-8")
    result = command("compare", "wants:task", "Hold()", "--total", "9", "--peaks", "1")
    assert "ModuleNotFoundError: No module named 'not_installed_here'" in result.stderr
    assert "Traceback" in result.stderr


def test_peaks_are_split_at_commas_and_blanks() -> None:
    """A list may be written with commas, blanks or both."""
    assert read_peaks("1e-4,3e-4") == read_peaks("1e-4, 3e-4") == [1e-4, 3e-4]
    assert read_peaks(None) is None
