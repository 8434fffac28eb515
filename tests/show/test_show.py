"""The picture: what is drawn, in text and as a figure."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ratewise as rw
from ratewise.show import Picture, figure, show

matplotlib = pytest.importorskip("matplotlib")

COSINE = rw.Warmup("5%") >> rw.Cosine(to=0.1)
PLAN = rw.Plan(
    lr=COSINE,
    weight_decay=rw.Linear(to=0.5),
    groups={"head": rw.Plan(lr=rw.Hold(), peak={"lr": 1e-3})},
    peak={"lr": 3e-4},
    notes=("the rate was read from a config",),
)

TENS = (" 1┤", " 0.1┤", "0.01┤")


def plain(picture: Picture, width: int = 80) -> str:
    return picture.text(width, colour=False)


def test_text_schedules_and_values_give_the_same_picture() -> None:
    """The text of a schedule is as good as the schedule."""
    assert plain(show(repr(COSINE), 1000)) == plain(show(COSINE, 1000))


def test_the_drawing_keeps_to_its_width() -> None:
    """No line is wider than asked for, at any width."""
    for width in (40, 63, 80, 120):
        text = plain(show([COSINE, PLAN], 123_456, lr=3e-4), width)
        assert max(map(len, text.splitlines())) <= width


def test_the_curve_goes_from_the_lower_left_to_the_upper_right() -> None:
    """A rising line is drawn rising: the first column is low, the last is high."""
    text = plain(show(rw.Linear(to=1, start=0), 1000))
    rows = [re.split("[┤│]", line)[1] for line in text.splitlines()[1:13]]
    left = [next((i for i, c in enumerate(row) if "⠀" < c <= "⣿"), None) for row in rows]
    drawn = [column for column in left if column is not None]
    assert len(drawn) == 12
    assert drawn == sorted(drawn, reverse=True)


def test_ticks_are_round_and_short() -> None:
    """Updates are written with k and M, levels as decimals, rates as one types them."""
    text = plain(show(COSINE, 2_000_000, lr=3e-4))
    assert re.search(r"\b0 .*\b500k .*\b1M .*\b1\.5M .*\b2M", text)
    assert re.search(r"0\.5┤.*├1\.5e-4", text)


def test_colour_is_a_choice() -> None:
    """Without colour there is no escape code, and several curves are told apart by letters."""
    two = show({"cosine": COSINE, "flat": rw.Hold()}, 1000)
    assert "\033[" not in plain(two)
    assert re.search("^a cosine$", plain(two), re.MULTILINE)
    assert re.search("^b flat$", plain(two), re.MULTILINE)
    assert {"38;5;32m", "38;5;208m"} <= set(re.findall(r"\033\[(38;[\d;]*m)", two.text(80, True)))


@pytest.mark.parametrize(
    ("tty", "environment", "coloured"),
    [
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {"TERM": "xterm"}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    tty: bool, environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a terminal gets colours, unless NO_COLOR is set or it cannot show them."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: tty, raising=False)
    assert ("\033[" in str(show(COSINE, 1000))) is coloured


def test_rates_are_shown_where_the_peak_is_known() -> None:
    """`lr` and a plan's peak give absolute rates; without them there are levels alone."""
    assert re.search(r" 50 +1 +3e-4  Warmup ends", plain(show(COSINE, 1000, lr=3e-4)))
    assert "rate" not in plain(show(COSINE, 1000))
    rates = {curve.row: curve.peak for curve in show(PLAN, 1000).curves}
    assert rates == {"lr": 3e-4, "weight_decay": None, "head: lr": 1e-3}
    rates = {curve.row: curve.peak for curve in show(PLAN, 1000, lr=1.0).curves}
    assert rates == {"lr": 1.0, "weight_decay": None, "head: lr": 1e-3}


def test_a_plan_has_a_row_for_each_key_and_group_and_its_notes() -> None:
    """Every key and group of a plan is drawn by itself; the notes come last."""
    text = plain(show(PLAN, 1000))
    titles = [line.strip() for line in text.splitlines()]
    assert [t for t in titles if t in ("lr", "weight_decay", "head: lr")] == [
        "lr",
        "weight_decay",
        "head: lr",
    ]
    assert text.count("└┬") == 3
    assert text.splitlines()[-1] == "note: the rate was read from a config"


def test_updates_at_rate_zero_are_counted_aloud() -> None:
    """Updates that train nothing are told; a schedule without such says nothing of it."""
    assert "3 updates run at rate 0" in plain(show(rw.Hold(0, over=3) >> rw.Hold(1), 10))
    assert "1 update runs at rate 0" in plain(show(rw.Warmup(5, start=0) >> rw.Hold(), 10))
    assert "at rate 0" not in plain(show(rw.Warmup(5) >> rw.Linear(to=0), 10))


def test_the_area_and_the_largest_step_are_told() -> None:
    """The mean level and the largest change between two updates are below the table."""
    text = plain(show(rw.Hold(over=500) >> rw.Hold(0.25), 1000, lr=1e-3))
    assert "1,000 updates · mean level 0.625 (rate 6.25e-4) · largest step −0.75, to" in text


def test_a_logarithmic_scale_leaves_zero_out() -> None:
    """Powers of ten are evenly spaced, and a level of 0 breaks nothing."""
    text = plain(show(rw.Warmup(5, start=0) >> rw.Exponential(to=0.001), 1000, log=True))
    rows = [next(i for i, line in enumerate(text.splitlines()) if tick in line) for tick in TENS]
    assert rows[1] - rows[0] == pytest.approx(rows[2] - rows[1], abs=1)
    assert "0┤" not in plain(show(rw.Hold(0), 10, log=True)).replace("0.1", "")


@pytest.mark.parametrize("total", [1, 2, 3])
def test_the_shortest_runs_can_be_drawn(total: int) -> None:
    """One update is enough for a picture; in a short run each has a stair of its own."""
    picture = show(rw.Cosine(to=0), total, lr=1.0)
    assert "last update" in plain(picture)
    line = picture.figure().axes[0].lines[0]
    assert line.get_xdata().tolist() == [*range(total + 1)]
    assert line.get_drawstyle() == "steps-post"


def test_the_figure_draws_the_levels_of_training() -> None:
    """The line in the figure is made of updates with their very levels."""
    (line, *_) = figure(COSINE, 1000).axes[0].lines
    updates = np.asarray(line.get_xdata(), dtype=int)
    assert np.array_equal(COSINE.resolve(1000).values()[updates], line.get_ydata())


def test_several_schedules_share_axes_and_have_a_legend() -> None:
    """Schedules lie over each other, each with its name and a colour and dash of its own."""
    axes = figure({"a": COSINE, "b": rw.Hold(), "c": rw.Linear(to=0)}, 1000).axes
    assert len(axes) == 1
    assert [text.get_text() for text in axes[0].get_legend().get_texts()] == ["a", "b", "c"]
    curves = [line for line in axes[0].lines if line.get_linestyle() != "None"]
    assert len({line.get_color() for line in curves}) == 3
    assert [line.is_dashed() for line in curves] == [False, True, True]


def test_a_plan_beside_a_schedule_is_drawn_over_it() -> None:
    """Beside a plan, a schedule is one of the learning rate."""
    assert [curve.row for curve in show([rw.Hold(), rw.Plan(lr=COSINE)], 1000).curves] == ["lr"] * 2


@pytest.mark.parametrize(("ending", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_a_file_is_written_in_the_format_of_its_name(
    tmp_path: Path, ending: str, magic: bytes
) -> None:
    """The ending decides the format."""
    path = tmp_path / f"picture{ending}"
    show(COSINE, 1000, png=path)
    assert path.read_bytes().startswith(magic)


def test_an_unknown_format_leaves_no_file(tmp_path: Path) -> None:
    """A name that ends in no known format is refused, and nothing is written."""
    with pytest.raises(rw.ScheduleError, match=r"end it in \.png, \.svg or \.pdf"):
        show(COSINE, 1000, png=tmp_path / "picture.xyz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("what", "options", "message"),
    [
        (rw.Hold(), {}, r"Hold\(\) has no end: give total=…"),
        (COSINE, {}, r"Warmup\(\"5%\"\) has a share \(5%\) .*: give total=… with the updates"),
        ("Warmup('3 epochs') >> Hold()", {"total": 100}, "give epoch=… with the updates"),
        ("Cosin()", {"total": 100}, "did you mean Cosine"),
        (rw.Warmup(200) >> rw.Hold(), {"total": 100}, "does not fit in total=100"),
        ([], {"total": 100}, "got nothing to draw: give at least one schedule"),
        (3, {"total": 100}, "needs a schedule, a plan or a text, got 3"),
        (COSINE, {"total": 100, "lr": 0}, r"needs lr in \(0, inf\), got 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_advice(
    what: object, options: dict[str, object], message: str
) -> None:
    """Errors speak of what the caller of `show` gave and can give."""
    with pytest.raises(rw.ScheduleError, match=message):
        show(what, **options)  # pyright: ignore


@pytest.mark.parametrize(
    "first", ["import ratewise.show", "rw.show", "rw.show; import ratewise.show"]
)
def test_show_can_be_called_however_it_was_reached(first: str) -> None:
    """`rw.show` draws whether the room of that name was imported before it or not."""
    script = f"import ratewise as rw\n{first}\nprint(rw.show('Hold()', 10).text(40))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "last update" in run.stdout


def test_drawing_as_text_loads_no_matplotlib() -> None:
    """The terminal's drawing needs the core alone, and matplotlib's state stays untouched."""
    script = (
        "import sys; from ratewise.show import show; str(show('Hold()', 10)); "
        "print('matplotlib' in sys.modules); show('Hold()', 10).figure(); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stdout.split() == ["False", "False"], run.stderr


def test_the_figure_of_plotext_stays_its_users() -> None:
    """What a user has drawn with plotext is as it was after a drawing of ours."""
    import plotext

    plotext.figure.clear()
    plotext.figure.title("mine")
    before = plotext.figure.build().string(True)
    str(show(COSINE, 1000))
    assert plotext.figure.build().string(True) == before
    plotext.figure.clear()
