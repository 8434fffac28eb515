"""What a choice tells, and what it leaves behind."""

from __future__ import annotations

import importlib
import json
import warnings
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ratewise import ScheduleError, parse
from ratewise.choose import Choice, choose
from tests.choose.valley import Valley


@cache
def chosen() -> Choice:
    return choose(Valley(), total=100, seeds=2)


def test_the_plan_is_the_schedule_at_its_peak() -> None:
    """Rates follow from it, and its text parses back."""
    choice = chosen()
    assert choice.plan.peak == {"lr": choice.peak}
    assert (choice.plan.rates(100) == choice.rates()).all()
    assert parse(str(choice.schedule)) == choice.schedule


@pytest.mark.parametrize("target", ["torch", "lightning", "transformers", "keras", "optax"])
def test_code_is_code(target: str) -> None:
    """It compiles, and says the peak."""
    text = chosen().code(target)
    compile(text, target, "exec")
    assert f"{chosen().peak:g}" in text


def test_torch_code_gives_the_rates_of_the_choice() -> None:
    """Run without ratewise, it uses the rate of every update to two units in the last place."""
    torch = pytest.importorskip("torch")
    space: dict[str, object] = {}
    exec(chosen().code("torch"), space)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=chosen().peak)
    scheduler = space["make_scheduler"](optimizer)  # type: ignore[operator]
    found: list[float] = []
    for _ in range(100):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert np.allclose(found, chosen().rates(), rtol=1e-15, atol=0)


def test_the_report_tells_the_whole_story() -> None:
    """What to use, why, what it cost, what was left out, and how to use it."""
    text = chosen().report(width=90)
    for part in ("What to use", "What was tried", "How sure it is", "updates", str(chosen().name)):
        assert part in text
    for trial in chosen().trials:
        assert trial.name in text
    assert str(chosen().schedule) in text
    assert "\033[" not in text


def test_the_summary_is_short_and_names_the_verdict() -> None:
    """`print(choice)` has the schedule, the peak, the verdict and the cost."""
    text = str(chosen())
    assert chosen().verdict.text in text
    assert f"{chosen().trained:,} updates" in text
    assert len(text.splitlines()) < 30


class Links(HTMLParser):
    """Collects whatever a page would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            v for k, v in attrs if k in ("src", "href") and not (v or "").startswith("data:")
        ]


def test_saved_files_are_whole_and_need_nothing_else(tmp_path: Path) -> None:
    """A page that loads nothing, a figure, and JSON without NaN."""
    folder = tmp_path / "deep" / "out"
    chosen().save(folder)
    assert sorted(one.name for one in folder.iterdir()) == [
        "choice.json",
        "figure.png",
        "report.html",
    ]
    known = json.loads((folder / "choice.json").read_text())
    assert known["peak"] == chosen().peak
    links = Links()
    links.feed((folder / "report.html").read_text())
    assert links.found == []
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    """Nothing of it is overwritten."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ScheduleError, match="is there already"):
        chosen().save(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["mine.txt"]


def test_the_figure_has_the_search_and_the_proof() -> None:
    """Four panels; every finalist has its dots."""
    figure = chosen().figure()
    assert len(figure.axes) == 4
    names = [label.get_text() for label in figure.axes[2].get_yticklabels()]
    assert len(names) == len(chosen().proof.standings)


@pytest.mark.parametrize(
    ("room", "old", "new"),
    [
        ("ratewise.choose", "Found", "RangeTestResult"),
        ("ratewise.range_test", "Found", "RangeTestResult"),
        ("ratewise.show", "Curve", "ScheduleCurve"),
    ],
)
def test_an_old_name_is_had_with_a_warning(room: str, old: str, new: str) -> None:
    """It is the same class; the warning names the new name, and is about the caller."""
    module = importlib.import_module(room)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert getattr(module, old) is getattr(module, new)
    assert [one.category for one in caught] == [DeprecationWarning]
    assert new in str(caught[0].message)
    assert caught[0].filename == __file__
    assert old not in module.__all__
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = module.no_such_name
