"""Options as people type them: numbers, epochs, settings and texts in the place of files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from ratewise.cli import app
from ratewise.cli.parsing import read_number, read_total
from ratewise.schedule import ScheduleError
from tests.cli.typed import error_of

HF = {"learning_rate": 2e-5, "lr_scheduler_type": "cosine", "warmup_ratio": 0.03,
      "num_train_epochs": 3, "per_device_train_batch_size": 4}  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(HF))
    return str(path)


def run(*words: str) -> tuple[int, str]:
    """The exit code of a command line, and what it printed."""
    result: Any = CliRunner().invoke(app, [*words], env={"COLUMNS": "200"})
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize(
    "option",
    ["epoch", "samples", "tokens", "lr", "epochs", "batch-size", "accumulation", "processes",
     "examples"],
)  # fmt: skip
def test_a_word_in_place_of_a_number_is_given_back(option: str) -> None:
    """The error names the option and what was typed, in one line, and gives an example."""
    code, told = run("show", "Cosine()", f"--{option}", "many")
    assert code == 2
    assert f"--{option} 'many' is not a number: write --{option} " in told


@pytest.mark.parametrize(
    ("typed", "number"),
    [("10000", 1e4), ("10,000", 1e4), ("10k", 1e4), ("1e4", 1e4), ("10_000", 1e4), ("2.5", 2.5),
     ("1.5M", 1.5e6), ("0.125", 0.125), ("1,234,567", 1234567.0)],
)  # fmt: skip
def test_numbers_are_read_as_they_are_written(typed: str, number: float) -> None:
    """Thousands may have commas, and a k or M behind them."""
    assert read_number("--examples", typed) == number


@pytest.mark.parametrize(
    ("typed", "fix"),
    [
        ("0,001", "write --examples 0.001"),
        ("1,5", "write --examples 1.5"),
        ("1.000", "write --examples 1 or 1000"),
        ("1.500", "write --examples 1.500 or 1500"),
        ("1.000.000", "write --examples 1000000"),
        ("5%", "write --examples 0.05"),
        ("", "is not a number"),
        ("1,00", "write --examples 1.00"),
    ],
)
def test_a_number_that_may_be_two_is_refused(typed: str, fix: str) -> None:
    """Decimal commas and points between thousands are never read as something else."""
    with pytest.raises(ScheduleError) as caught:
        read_number("--examples", typed)
    assert fix in str(caught.value)


def test_a_rate_has_a_point() -> None:
    """1.000 is 1 where rates are meant, and a comma is refused."""
    assert read_number("--lr", "1.000", counts=False) == 1.0
    with pytest.raises(ScheduleError, match=r"write --lr 0\.001"):
        read_number("--lr", "0,001", counts=False)


@pytest.mark.parametrize(
    ("typed", "updates"),
    [("1000", "1000"), ("1,000", "1000"), ("1e3", "1e3"), ("10k", "10k"), ("1_000", "1_000")],
)
def test_totals_are_updates(typed: str, updates: str) -> None:
    """A bare number is one of updates; another unit stays."""
    assert read_total(typed) == f"{updates} updates"
    assert read_total("3 epochs") == "3 epochs"


@pytest.mark.parametrize("typed", ["1.000", "1,5", "10,5", "1.000.000"])
def test_a_total_that_may_be_two_is_refused(typed: str) -> None:
    """1,5 was read as 15 once."""
    with pytest.raises(ScheduleError, match=f"--total '{typed}'"):
        read_total(typed)


def test_epochs_without_their_length_ask_for_it(config: str) -> None:
    """The error names --epoch and --examples, for a file and for a schedule."""
    for words in (["show", config], ["show", config, "--epochs", "2"]):
        code, told = run(*words)
        assert code == 2
        assert "--epoch N" in told
        assert "--examples N" in told
    code, told = run("show", "Warmup(5) >> Cosine()", "--epochs", "3")
    assert code == 2
    assert "--epochs 3.0 does not say how long an epoch is: give --epoch N" in told
    assert run("show", config, "--examples", "1,000")[0] == 0


def test_keys_of_the_file_can_be_set(config: str) -> None:
    """Nested keys by their paths, values as numbers; what is not read is refused."""
    words = ["convert", config, "--to", "torch", "--total", "100"]
    kind = ["--set", "lr_scheduler_type=cosine_with_min_lr"]
    code, told = run(*words, *kind, "--set", "lr_scheduler_kwargs.min_lr_rate=0.1")
    assert code == 0
    assert "the config says 'cosine'" in told
    code, told = run(*words, "--set", "seed=5")
    assert code == 2
    assert "--set seed=5 is not a word of the format" in told


def test_flags_are_a_text_behind_two_dashes() -> None:
    """As options they are refused, with what to type; as a text they are read."""
    flags = "--lr_scheduler_type cosine --warmup_ratio 0.03 --learning_rate 2e-5"
    code, told = run("show", flags, "--total", "1000")
    assert code == 2
    assert "put the text behind --" in told
    assert run("show", "--total", "1000", "--", flags)[0] == 0


@pytest.mark.parametrize(
    ("typed", "fix"),
    [
        ("Linear(to=0,5)", "write to=0.5"),
        ("Warmup(over=1,000) >> Cosine()", "write over=1000 or over=1.000"),
        ("Cosine(to=0,1, over=20)", "write to=0.1"),
    ],
)
def test_a_comma_in_a_named_number_is_answered(typed: str, fix: str) -> None:
    """Behind a name Python takes the rest of such a number for another argument."""
    assert error_of("show", typed, "--total", "100").endswith(f"{fix}.")


@pytest.mark.parametrize(
    "words",
    [("compare", "x:task", "Cosine()", "--stack", "many"), ("find", "x:task", "--lowest", "low")],
)
def test_an_option_that_takes_a_number_says_so(words: tuple[str, ...]) -> None:
    """The answer repeats what was given and says what to write."""
    told = error_of(*words)
    assert words[-1] in told
    assert f"write {words[-2]} N, with a" in told
