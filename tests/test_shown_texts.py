"""Names of others are shown as they are: in terminals, pages, figures, folders and tables."""

from __future__ import annotations

import ast
import csv
import html.parser
import io
import json
import re
import xml.etree.ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import ratewise as rw
from ratewise._printable import file_name, literal, printable
from ratewise.cli import app
from ratewise.runs.records import Record
from ratewise.view.style import written
from tests.examples import examples
from tests.hostile import PIECES, driving, names

NASTY = "\x1b]0;owned\x07\x9b2J\x1b[31m\u202e\x85\u2028\x00<b>&$x^2$"
"""A title, a cleared screen, a colour, a turned direction, ends of lines, tags, mathematics."""

few = settings(max_examples=10, derandomize=True)


def sent(text: str) -> set[str]:
    """What of a text could drive a terminal, our own colours left out."""
    return driving(re.sub(r"\x1b\[(0|31|38;5;\d+)m", "", text))


@given(names)
@settings(max_examples=examples(60), derandomize=True)
def test_nothing_that_is_printable_drives_anything(text: str) -> None:
    """Escapes stand for what is not printed; a literal is the text again."""
    assert printable(text).isprintable()
    assert literal(text).isprintable()
    assert ast.literal_eval(literal(text)) == text


@given(names, names)
@example("a/b", "a b")
@example("A", "a")
@example("a", "a\n")
@example("../x", ".._x")
@example("\ud83d\ude00", "😀")
@settings(max_examples=examples(60), derandomize=True)
def test_no_two_texts_name_one_file(one: str, two: str) -> None:
    """Folders of runs do not meet, not even where capitals are small letters."""
    for text in (one, two):
        assert set(file_name(text)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                           "0123456789.%+_-~")  # fmt: skip
        assert len(file_name(text)) < 100
    assert (file_name(one).lower() == file_name(two).lower()) == (one == two)


# Terminals ---------------------------------------------------------------------------------


@few
@given(names, names)
@example(NASTY, NASTY)
def test_pictures_send_nothing_but_colours(one: str, two: str) -> None:
    """What `show` draws holds our colours, and of names what can be printed."""
    plan = rw.Plan(lr=rw.Hold(0.5), groups={one: rw.Cosine()}, notes=[two])
    for colour in (True, False):
        assert sent(rw.show({two: plan}, 20).text(60, colour)) == set()
        assert sent(rw.show({one: rw.Hold(), two: rw.Cosine()}, 20).text(60, colour)) == set()
    listens = rw.Plateau(metric=one)
    assert sent(rw.show(listens, 20).text(60, False)) == set()


@few
@given(names)
@example(NASTY)
def test_errors_send_nothing(text: str) -> None:
    """An error that speaks of a name, a file or a value spells it out."""
    given_: list[Any] = [
        lambda: rw.Plan(lr=rw.Hold(), peak={text: 1.0}),
        lambda: rw.parse(f"Hold({text!r})"),
        lambda: rw.parse(text),
        lambda: rw.from_dict({"type": text}),
        lambda: rw.from_dict({"type": "Hold", text: 1}),
        lambda: rw.Plan(groups={text: 3}),
        lambda: rw.Plateau(metric=text).resolve(5)(3),
        lambda: rw.show(rw.Hold(), 10, png=f"{text}.nothing".replace("/", "_")),
    ]
    said = [message(make) for make in given_]
    assert sum(map(bool, said)) >= len(said) - 2
    assert driving("".join(said)) == set()


def message(make: Callable[[], Any]) -> str:
    """What is said of a mistake; nothing where a text happens to be none."""
    try:
        make()
    except rw.ScheduleError as error:
        return str(error)
    return ""


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    plan = rw.Plan(
        lr=rw.Warmup(3) >> rw.Cosine(),
        groups={NASTY: rw.Hold()},
        peak={"lr": 0.1},
        notes=[NASTY + "\nrm"],
    )
    path = tmp_path / "evil\x1b[31m \u202e.json"
    path.write_text(json.dumps(plan.to_dict()))
    return path


def test_commands_send_nothing_of_a_file(evil: Path) -> None:
    """Names, notes, and the name of the file itself: shown, not sent, on both streams."""
    for words in (
        ["show", str(evil), "--total", "20"],
        ["show", f"{NASTY}=Hold()", "--total", "20"],
        ["show", str(evil)],
        ["show", str(evil) + "x.json"],
        ["convert", str(evil), "--to", "torch", "--total", "20"],
        ["convert", str(evil), "--to", NASTY, "--total", "20"],
        ["status", str(evil)],
        ["predict", str(evil)],
        ["compare", f"{NASTY}:task", "Hold()", "--total", "20"],
        ["recipes", NASTY],
        ["advise", "--task", NASTY],
        [NASTY],
    ):
        result = CliRunner().invoke(app, [word.replace("\0", "") for word in words])
        assert sent(result.output) == set(), words
        assert result.exception is None or isinstance(result.exception, SystemExit), words


# Comparisons -------------------------------------------------------------------------------


class Valley:
    """A task whose metric and errors have names that drive terminals."""

    def __init__(self, fails: float = 9.0) -> None:
        self.fails = fails

    def open(self, seed: int) -> Any:
        return ValleyRun(self.fails)


class ValleyRun:
    def __init__(self, fails: float) -> None:
        self.x, self.fails = 1.0, fails

    def train(self, rates: np.ndarray) -> np.ndarray:
        if rates.max() > self.fails:
            raise RuntimeError(NASTY)
        losses = []
        for rate in rates:
            losses.append(self.x**2)
            self.x -= rate * self.x
        return np.array(losses)

    def measure(self) -> dict[str, float]:
        return {NASTY: self.x**2}

    def save(self) -> float:
        return self.x

    def restore(self, state: float) -> None:
        self.x = state


@pytest.fixture(scope="module")
def compared() -> Any:
    from ratewise.choose import compare

    candidates = {NASTY: "Hold()", "_under": "Cosine()", "$a$ b": "Linear()"}
    peaks = {NASTY: [0.1, 9.5], "_under": [0.1], "$a$ b": [0.1]}
    return compare(Valley(), candidates, total=12, peaks=peaks, seeds=2, metric=NASTY)


def test_comparisons_send_nothing(compared: Any) -> None:
    """Tables, verdicts, notes and errors of tasks."""
    told = compared.time_to_target()
    for text in (str(compared), compared.table(), told.table()):
        assert sent(text) == set()
    assert any(run.error for run in compared.runs)


class Seen(html.parser.HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@few
@given(names, names)
@example("<script>alert(1)</script>", '" onerror="x')
def test_a_page_holds_texts_and_no_tags_of_theirs(one: str, two: str) -> None:
    """Whatever stands in titles, paragraphs, tables and code; charts are in `tests/view`."""
    from ratewise.view.blocks import Code, PageTable, Prose
    from ratewise.view.page import page

    def told(one: str, two: str) -> str:
        table = PageTable([one, two], [[two, (one, 1.0)]], one)
        return page(one, two, {one: [Prose([two, " " + one]), table, Code(two)]}, two)

    made, plain = told(one, two), told("a", "b")
    seen, wanted = Seen(), Seen()
    seen.feed(made)
    wanted.feed(plain)
    made.encode()
    assert driving(made) == set()
    assert seen.tags <= wanted.tags | {"pre", "p"}
    assert printable(two, keep="\n").strip() in seen.text or not two.strip()


def texts(figure: Any) -> Iterator[str]:
    from matplotlib.text import Text

    yield from (one.get_text() for one in figure.findobj(Text))


@few
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join))
@example("$x^2$")
@example("_hidden")
@example("$\\frac{1}{")
@example("\\$")
def test_figures_draw_names_as_they_are(name: str) -> None:
    """No mathematics, no lost legend, no broken SVG."""
    pytest.importorskip("matplotlib")
    from matplotlib.text import Text

    shown = Text(0, 0, written(name))
    text, is_math = shown._preprocess_math(shown.get_text())
    assert is_math is False
    assert text.removeprefix(" ") == printable(name, keep="\n").removeprefix(" ")
    assert not written(name).startswith("_")


def test_figures_of_all_kinds_draw(compared: Any, tmp_path: Path) -> None:
    """They are whole, as pictures and as SVG, and every name is in the key."""
    pytest.importorskip("matplotlib")
    plan = rw.Plan(lr=rw.Hold(), groups={NASTY: rw.Hold(), "$a": rw.Cosine()}, peak={"lr": 0.1})
    figures = [
        rw.show({NASTY: "Hold()", "_a": "Cosine()", "$\\frac{$": "Hold(0.5)"}, 20).figure(),
        rw.show(plan, 20).figure(),
        compared.figure(),
    ]
    for place, figure in enumerate(figures):
        path = tmp_path / f"{place}.svg"
        figure.savefig(path)
        xml.etree.ElementTree.parse(path)
        assert all(driving(text) == set() for text in texts(figure))
    key = [text.get_text() for text in figures[0].axes[0].get_legend().get_texts()]
    assert key == [written(NASTY), " _a", "\\$\\frac{\\$"]


def record(name: str, peak: float = 0.1, metric: str = "loss") -> Record:
    rates = np.full(2, peak)
    return Record(name, "Hold()", peak, 0, {metric: 1.0}, np.ones(2), rates)


def test_runs_on_the_board_do_not_meet(tmp_path: Path) -> None:
    """Every run has its folder, inside the one that was given, whatever it is called."""
    pytest.importorskip("tensorboardX")
    from ratewise.runs.tensorboard import Board

    called = ["a/b", "a b", "a_b", "A", "a", "..", "../../x", "/x", NASTY, "x" * 500, "x" * 501]
    runs = [*map(record, called), record("a", 0.1234567), record("a", 0.1234568)]
    board = Board(tmp_path / "board")
    for one in runs:
        board.show(one)
    board.show(record("m", metric=NASTY))
    folders = [path.name.lower() for path in (tmp_path / "board").iterdir()]
    assert len(set(folders)) == len(runs) + 1
    assert [path.name for path in tmp_path.iterdir()] == ["board"]


@few
@given(names)
@example("=HYPERLINK(1)")
def test_a_table_of_rates_reads_back_with_its_names(tmp_path_factory: Any, name: str) -> None:
    """Rows and columns cannot be broken; names are left as they are, so that they are found."""
    pytest.importorskip("torch")
    from ratewise.adapters.torch.effective_logger import _write_lines

    path = tmp_path_factory.mktemp("table") / "rates.csv"
    _write_lines(path, [["update", "group"], {"update": 1, "group": name}], mode="w")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(io.StringIO(file.read(), newline="")))
    assert rows == [["update", "group"], ["1", name.encode(errors="backslashreplace").decode()]]


# Lines ---------------------------------------------------------------------------------------

FORGED = "x\nForged: \x1b[31m"
"""A name that would begin a line of its own."""


def forged(text: object) -> list[str]:
    """Lines that begin as no line of ours does."""
    return [line for line in str(text).split("\n") if line.lstrip().startswith("Forged")]


def test_no_name_begins_a_line(tmp_path: Path) -> None:
    """A newline in the name of a candidate, a metric, a run or a failure is spelled out."""
    from ratewise.choose import Curve, compare, fit
    from ratewise.predict.forecast import forecast

    class Other(ValleyRun):
        def train(self, rates: np.ndarray) -> np.ndarray:
            if rates.max() > 9:
                raise RuntimeError(FORGED)
            return super().train(rates)

        def measure(self) -> dict[str, float]:
            return {FORGED: self.x**2}

    class Task:
        def open(self, seed: int) -> Any:
            return Other(9.0)

    candidates = {FORGED: "Hold()", "b": "Cosine()", "c": "Linear()"}
    peaks = {FORGED: [0.1, 9.5], "b": [0.1], "c": [9.5]}
    made = compare(Task(), candidates, total=12, peaks=peaks, seeds=2, metric=FORGED)
    t = np.arange(1, 100)
    noisy = [
        np.where(t == 50, np.nan, 2 + 1 / t),
        2 + 1 / np.sqrt(t),
        np.where(t > 50, 9, 2 + 1 / t),
    ]
    runs = [Curve(t, np.full(99, 1e-3), one, f"{FORGED} {i}") for i, one in enumerate(noisy)]
    told = forecast(runs, {FORGED: "Hold()", "b": "Cosine()"}, law="power", notes=[FORGED])
    fitted = fit(runs, "power")
    parts = [made, made.verdict, made.time_to_target(), told, told.text(80, False), fitted]
    parts += [*told.predictions, *runs, rw.show({FORGED: "Hold()", "b": "Cosine()"}, 20)]
    assert any("Forged" in str(part) for part in parts)
    assert [line for part in parts for line in forged(part)] == []


def test_figures_are_no_tex(compared: Any) -> None:
    """With `text.usetex` set, TeX would run what a name says; our texts are drawn without it."""
    matplotlib = pytest.importorskip("matplotlib")
    from matplotlib.text import Text

    evil = "\\input{/etc/hostname} % # & _ ^ ~ {"
    with matplotlib.rc_context({"text.usetex": True}):
        plan = rw.Plan(lr=rw.Hold(), groups={evil: rw.Hold()}, peak={"lr": 0.1})
        figures = [rw.show({evil: "Hold()", "b": "Cosine()"}, 20).figure(), compared.figure()]
        figures += [rw.show(plan, 20).figure()]
        found = [one for figure in figures for one in figure.findobj(Text) if one.get_text()]
    assert any("input" in one.get_text() for one in found)
    assert not any(one.get_usetex() for one in found)
