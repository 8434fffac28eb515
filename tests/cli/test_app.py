"""The command line: what a user types, what comes back, and what wrong input is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import ratewise as rw
from ratewise.cli.parsing import read_specs, read_total
from ratewise.show import show
from tests.cli.typed import command, error_of, run

COSINE = "Warmup('5%') >> Cosine(to=0.1)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


# show ---------------------------------------------------------------------------------------


def test_show_prints_the_picture() -> None:
    """The command prints what `rw.show` makes of the same text."""
    result = run("show", COSINE, "--total", "1000", "--lr", "3e-4")
    assert result.exit_code == 0
    assert result.stdout == show([COSINE], 1000, lr=3e-4).text(colour=False) + "\n"


def test_schedules_get_names_with_an_equals_sign() -> None:
    """`name=SPEC` names a curve; an equals sign inside a schedule is not meant."""
    names = {"wsd 20": "Hold(over=5) >> Linear(to=0)", "Cosine(to=0.1)": "Cosine(to=0.1)"}
    assert read_specs(["wsd 20=Hold(over=5) >> Linear(to=0)", "Cosine(to=0.1)"]) == (names, [])
    output = run("show", "a=Hold()", "Linear(to=0)", "--total", "10").stdout
    assert "\na a\n" in output
    assert "\nb Linear(to=0)\n" in output


@pytest.mark.parametrize("total", ["2000", "2_000", "2,000", "2k", "2k updates", "4 epochs"])
def test_a_total_is_written_as_one_likes(total: str) -> None:
    """Digits, k and M, and units all give a number of updates."""
    result = run("show", COSINE, "--total", total, "--epoch", "500")
    assert "  2,000 updates · mean level" in result.stdout
    assert rw.parse(COSINE).resolve(read_total(total), epoch=500).length == 2000  # pyright: ignore


def test_a_figure_is_written(folder: Path) -> None:
    """`--png` writes the figure beside the drawing in the terminal."""
    result = run("show", COSINE, "--total", "1k", "--png", "x.png", "--log")
    assert (result.exit_code, "last update" in result.stdout) == (0, True)
    assert (folder / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((COSINE,), "has a share (5%) of a run of unknown total: give --total N with the updates"),
        (("Hold()",), "Hold() has no end: give --total N with the updates of the run."),
        (("Hold(over='3 epochs')",), "give --epoch N with the updates in an epoch"),
        (("Warmup(5) >> Cosin()", "--total", "9"), "did you mean Cosine"),
        (("Warmup(5) >> Cosine(too=1)", "--total", "9"), "did you mean to"),
        (("Warmup(5) >>", "--total", "9"), "is not an expression"),
        (("Warmup(50) >> Hold()", "--total", "9"), "Warmup(50) does not fit in total=9"),
        (("Hold()", "--total", "soon"), "needs total as a length, got 'soon'"),
        (("Hold()", "--total", "9", "--lr", "-1"), "needs lr in (0, inf), got -1.0"),
        (("a=Hold()", "a=Linear()", "--total", "9"), "'a' is given twice: write name=SPEC"),
        (("Hold()", "--total", "9", "--png", "x.xyz"), "end it in .png, .svg or .pdf"),
        (("Hold()", "--total", "9", "--png", "no/x.png"), "No such file or directory"),
    ],
)
def test_what_show_cannot_draw_gets_one_line_of_advice(
    words: tuple[str, ...], message: str, folder: Path
) -> None:
    """Wrong input is answered in the words of the command line, on standard error, with code 2."""
    assert message in error_of("show", *words)


# The program --------------------------------------------------------------------------------


def test_version_and_help() -> None:
    """`--version` tells the version; without a command the help is shown."""
    assert run("--version").stdout == f"ratewise {rw.__version__}\n"
    result = run()
    assert result.exit_code == 0
    assert all(word in result.stdout for word in ("Usage", "show", "compare"))


def test_a_pipe_gets_no_colours_and_eighty_columns() -> None:
    """Where there is no terminal the drawing is plain text, and COLUMNS sets its width."""
    for environment, width in (({}, 80), ({"COLUMNS": "60"}, 60)):
        result = command("show", COSINE, "--total", "1000", **environment)
        assert result.returncode == 0, result.stderr
        assert "\033[" not in result.stdout
        assert max(map(len, result.stdout.splitlines())) <= width


def test_a_terminal_without_the_characters_still_gets_a_drawing() -> None:
    """An encoding that cannot write the curve gets question marks in place of a traceback."""
    result = command("show", COSINE, "--total", "1000", PYTHONIOENCODING="ascii")
    assert result.returncode == 0, result.stderr
    assert "first update" in result.stdout


def test_the_command_line_starts_without_what_only_some_commands_need() -> None:
    """`ratewise show` loads no framework, no matplotlib, no scipy and no training."""
    script = (
        "import sys\nfrom ratewise.cli import app\n"
        "app(['show', 'Hold()', '--total', '9'], standalone_mode=False)\n"
        "heavy = {'torch', 'keras', 'jax', 'scipy', 'matplotlib', 'ratewise.choose'}\n"
        "print(*heavy & set(sys.modules), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (result.returncode, result.stderr.strip()) == (0, "")
