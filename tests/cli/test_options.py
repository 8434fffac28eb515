"""Every option of every command, given what it cannot take, answers in its own language."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from ratewise.cli import app
from tests.cli.test_errors import PYTHON
from tests.cli.typed import LINE, run

FILE = Path(__file__).with_name("failing.py").read_text(encoding="utf-8")
LOG = "step,lr,loss\n" + "".join(f"{i},0.1,{2 + 1 / i}\n" for i in range(1, 40))
BASES = {
    "show": ["Hold()", "--total", "9"],
    "convert": ["Hold()", "--to", "torch", "--total", "9"],
    "compare": ["mine.py:fine", "Hold()", "--total", "20", "--peaks", "0.1", "--seeds", "1"],
    "choose": ["mine.py:fine", "--total", "20", "--peaks", "0.1,0.05", "--budget", "100"],
    "find": ["mine.py:fine"],
    "check": ["Warmup(5) >> Cosine(to=0)", "--total", "100", "--batch-size", "4"],
    "run": ["--schedule", "Hold()", "--total", "9", "--", sys.executable, "-c", "1"],
    "audit": ["log.csv", "--plan", "Hold()", "--total", "39", "--lr", "0.1"],
    "status": ["runs.db"],
    "advise": [],
    "predict": ["log.csv"],
    "recipes": [],
    "studio": ["--no-browser"],
}
COUNT = ["few", "0", "-1", "1.5"]
NAME = ["nothing", ""]
AMOUNT = ["", "0", "-1", "nan", "inf"]
BAD = {
    "--total": ["soon", "0", "-3", "nan", "1e9e9", "5 years"],
    **dict.fromkeys(("--epoch", "--samples", "--tokens", "--epochs"), AMOUNT),
    **dict.fromkeys(("--batch-size", "--accumulation", "--processes", "--lr"), AMOUNT),
    **dict.fromkeys(("--seeds", "--finalists", "--budget", "--rungs", "--updates"), COUNT),
    **dict.fromkeys(("--lowest", "--highest"), AMOUNT),
    "--peaks": ["high", "", "0", "-1", "nan", "inf", "1,1"],
    "--format": ["nothing", ""],
    "--set": ["x", "=1", "1x=2", "lr=3", ""],
    "--png": ["x.xyz", "no/x.png", "mine.py/x.png"],
    "--figure": ["x.xyz", "no/x.png", "mine.py/x.png", "x"],
    "--metrics": ["none.csv", "."],
    "--to": ["pytorch", ""],
    "--prune": ["median", ""],
    "--metric": ["los", ""],
    **dict.fromkeys(("--framework", "--logged", "--by-hand"), NAME),
    "--plan": ["Hodl()", ""],
    "--own": ["Hodl()", ""],
    "--save": ["x.xyz", "no/x.png", "mine.py/x.png", "x"],
    "--journal": ["mine.py", ".", "mine.py/runs.db"],
    "--resume": ["none.db", "mine.py", "."],
    "--disk": ["much", "-1", "nanGB", ""],
    "--checkpoints": ["mine.py", "mine.py/x", "nothing://there"],
    "--workers": ["some", "-1", "1.5", ""],
    "--engine": ["abacus", ""],
    "--stack": [*COUNT, "4"],  # a stack is nothing without the engine
    "--address": ["there"],
    "--out": ["mine.py", ".", "mine.py/x"],
    "--code": ["fortran", ""],
    "--candidates": ["Hodl()", "Warmup(5000) >> Hold()", ""],
    "--law": ["powr", ""],
    **dict.fromkeys(("--loss", "--rate", "--step", "--named"), NAME),
    "--schedule": ["Hodl()", "Hold()", ""],
    "--warmup": ["few", "", "-1", "1.5"],
    **dict.fromkeys(("--task", "--method", "--optimizer", "--kind"), NAME),
    **dict.fromkeys(("--horizon", "--seen"), NAME[:1]),
    **dict.fromkeys(("--batch", "--batch-before", "--trials"), COUNT),
    "--examples": AMOUNT,
    "--beta2": ["few", "", "-1", "1", "nan", "inf"],
    "--peak": AMOUNT,
    "--port": ["few", "-1", "65536", "1.5"],
    "--host": ["no host", ""],
    "--from": ["none.json", "mine.py", "mine.py:nobody", "none:task", "."],
}
OWN = {
    ("advise", "--total"): COUNT,
    ("advise", "--examples"): COUNT,
    ("predict", "--total"): ["soon", "0", "-3", "nan", "3 epochs"],
    ("run", "--schedule"): ["Hodl()", ""],
    ("run", "--resume"): NAME,
    ("choose", "--peaks"): ["high", "0", "-1", "nan", "inf"],
    ("predict", "--schedule"): ["Hodl()", "Hold()"],
    ("predict", "--candidates"): ["Hodl()", "Warmup(5000) >> Hold()"],
}
"""Where a command means something else by an option, or by leaving it empty."""


def options() -> list[tuple[str, str]]:
    """All options that take a value, as `--help` lists them."""
    group: Any = typer.main.get_command(app)
    return [
        (name, parameter.opts[0])
        for name, command in group.commands.items()
        for parameter in command.params
        if parameter.param_type_name == "option" and not parameter.is_flag
    ]


WRONG = [
    (name, option, value)
    for name, option in options()
    for value in OWN.get((name, option), BAD.get(option, ()))
]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(FILE, encoding="utf-8")
    (tmp_path / "log.csv").write_text(LOG, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "mine", raising=False)


def test_every_option_has_something_that_it_cannot_take() -> None:
    """No command gets an option that this table does not know."""
    assert {option for _, option in options()} == set(BAD)
    assert {name for name, _ in options()} <= set(BASES)


def without(words: list[str], option: str) -> list[str]:
    """The words without an option and its value, so that it is not given twice."""
    if option not in words:
        return words
    place = words.index(option)
    return words[:place] + words[place + 2 :]


@pytest.mark.parametrize(("name", "option", "value"), WRONG)
def test_a_wrong_value_is_one_line(name: str, option: str, value: str) -> None:
    """Exit code 2, one line on standard error that names no Python, nothing else, no file."""
    before = sorted(Path().iterdir())
    result = run(name, option, value, *without(BASES[name], option))
    assert (result.exit_code, result.stdout) == (2, ""), (result.output, result.exception)
    assert LINE.fullmatch(result.stderr.strip()), result.stderr
    assert not PYTHON.search(result.stderr), result.stderr
    told = [option, *filter(None, re.split(r"[:()]", value))]
    assert any(one in result.stderr for one in told), result.stderr
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("name", ["find", "choose", "predict", "status"])
def test_an_error_of_a_command_that_prints_json_is_no_json(name: str) -> None:
    """Standard output stays empty, so whoever reads JSON there never reads half of it."""
    words = {"find": ["mine.py:train"], "choose": ["mine.py:train", *BASES["choose"][1:]]}
    result = run(name, *words.get(name, ["none.csv"]), "--json")
    assert result.exit_code in (1, 2)
    assert result.stdout == ""
    assert LINE.fullmatch(result.stderr.strip().splitlines()[-1])
    with pytest.raises(json.JSONDecodeError):
        json.loads(result.stdout)
