"""The report in a real browser, as a person uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.view.browser import Visit, browser
from tests.view.choices import chosen, hostile, with_runs

EVIL = "<img src=x onerror=alert(1)></script><b>\u202e\x1b[31m"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(chosen().html(), encoding="utf-8")
    return path


@pytest.fixture
def visit(chromium: Any, written: Path) -> Iterator[Visit]:
    context = chromium.new_context(viewport={"width": 1100, "height": 900})
    yield Visit(context, written)
    context.close()


def losses(visit: Visit) -> Any:
    """The figure of the losses of every run."""
    smooth = visit.page.get_by_role("button", name="Smooth", exact=True)
    return visit.page.locator("figure", has=smooth)


def test_it_asks_for_nothing_and_says_nothing(visit: Visit) -> None:
    """Neither an error in the console nor a request, also after everything was pressed once."""
    for button in visit.page.locator(".tools button, th button, [role=tab], .rw-key button").all():
        button.dispatch_event("click")
    assert visit.said == []
    assert visit.strangers == []


def test_the_verdict_comes_first(visit: Visit) -> None:
    """What is read without scrolling: the gain over the own settings, in words and as a number."""
    heading = visit.page.locator("h1")
    assert chosen().gain is not None
    assert chosen().gain.text in heading.inner_text()
    card = visit.page.locator(".cards dd").first
    assert f"{chosen().gain.value:.3g}" in card.inner_text()
    assert card.bounding_box()["y"] < 900


def test_every_run_has_a_curve_that_can_be_switched(visit: Visit) -> None:
    """A name in the key takes its curves away and brings them back; all go at once, too."""
    figure = losses(visit)
    curves = figure.locator("path.rw-line")
    names = {run.name for run in chosen().runs}
    drawn = figure.locator("svg.rw-live path.rw-line")
    assert drawn.count() == len(chosen().runs)
    first = figure.locator(".rw-key button").first
    name = first.inner_text()
    assert name in names
    first.click()
    assert first.get_attribute("aria-pressed") == "false"
    gone = sum(run.name == name for run in chosen().runs)
    assert drawn.count() == len(chosen().runs) - gone
    first.click()
    assert drawn.count() == len(chosen().runs)
    figure.get_by_role("button", name="Hide all").click()
    assert drawn.count() == 0
    figure.get_by_role("button", name="Show all").click()
    assert drawn.count() == len(chosen().runs)
    assert curves.count() >= drawn.count()


def test_an_axis_becomes_logarithmic(visit: Visit) -> None:
    """The numbers on it change, and the button says so."""
    figure = losses(visit)
    button = figure.get_by_role("button", name="Log axis")
    before = figure.locator("svg.rw-live text.rw-tick").all_text_contents()
    curve = figure.locator("svg.rw-live path.rw-line").first.get_attribute("d")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert figure.locator("svg.rw-live text.rw-tick").all_text_contents() != before
    assert figure.locator("svg.rw-live path.rw-line").first.get_attribute("d") != curve


def test_a_curve_tells_what_is_pointed_at(visit: Visit) -> None:
    """A run, its update and its loss; and it is gone when the pointer has left."""
    figure = losses(visit)
    figure.scroll_into_view_if_needed()
    spot = figure.locator("svg.rw-live path.rw-line").first.evaluate(
        """path => {
          const at = path.getPointAtLength(path.getTotalLength() * 0.6), m = path.getScreenCTM();
          return [at.x * m.a + m.e, at.y * m.d + m.f];
        }"""
    )
    visit.page.mouse.move(*spot)
    tip = visit.page.locator("#tip")
    tip.wait_for(state="visible")
    assert "training loss: " in tip.inner_text()
    assert "update: " in tip.inner_text()
    assert any(run.name in tip.inner_text() for run in chosen().runs)
    visit.page.mouse.move(2, 2)
    tip.wait_for(state="hidden")


def test_a_table_is_sorted_by_the_column_that_is_pressed(visit: Visit) -> None:
    """Numbers as numbers, up and then down, and what is none at the end both times."""
    table = visit.page.locator("table", has=visit.page.locator("th", has_text="training loss"))
    head = table.locator("th", has_text="training loss")
    for way in ("ascending", "descending"):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == way
        cells = table.locator("tbody tr td:nth-last-child(2)").all()
        values = [float(cell.get_attribute("data-v")) for cell in cells]
        known = [value for value in values if value == value]
        assert known == sorted(known, reverse=way == "descending")
        assert all(value != value for value in values[len(known) :])
    assert len(values) == len(chosen().runs)
    assert len(known) < len(values)  # some have broken


def test_code_is_picked_and_copied(visit: Visit) -> None:
    """Tabs by mouse and by arrow keys; the clipboard holds what is seen."""
    tabs = visit.page.get_by_role("tab")
    assert tabs.count() == 6
    first = tabs.first
    assert first.get_attribute("aria-selected") == "true"
    first.press("ArrowRight")
    second = tabs.nth(1)
    assert second.get_attribute("aria-selected") == "true"
    panel = visit.page.locator(f"#{second.get_attribute('aria-controls')}")
    assert panel.is_visible()
    assert visit.page.get_by_role("tabpanel").count() == 1
    code = panel.locator(".code").first
    code.get_by_role("button", name="Copy").click()
    code.get_by_role("button", name="Copied").wait_for()
    copied = visit.page.evaluate("navigator.clipboard.readText()")
    assert copied == code.locator("pre").inner_text()
    assert "ratewise" in copied
    compile(copied, "copied", "exec")


def test_words_are_explained(visit: Visit) -> None:
    """By pointing at them and by the keyboard; Escape takes it away."""
    tip, word = visit.page.locator("#tip"), visit.page.locator("dfn").first
    word.hover()
    tip.wait_for(state="visible")
    assert tip.inner_text() == word.get_attribute("data-tip")
    visit.page.keyboard.press("Escape")
    tip.wait_for(state="hidden")
    visit.page.mouse.move(2, 2)
    word.focus()
    tip.wait_for(state="visible")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1100])
def test_it_is_readable_everywhere(
    chromium: Any, written: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    """On a phone and on a desk, by day and by night: nothing sticks out, no serious barrier."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion="reduce"
    )
    visit = Visit(context, written)
    wide, seen = visit.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= seen
    texts = visit.page.locator("svg.rw-live text.rw-tick").first
    size = texts.evaluate("t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a")
    assert size >= 11
    paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = sum(int(part) for part in paper[4:-1].split(",")[:3]) < 384
    assert dark == (scheme == "dark")
    found = axe.Axe().run(visit.page)
    serious = [
        (one["id"], one["nodes"][0]["html"][:200])
        for one in found.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    visit.page.screenshot(path=tmp_path / f"report-{width}-{scheme}.png", full_page=True)
    context.close()


def test_it_prints_everything_on_white(visit: Visit) -> None:
    """All frameworks, no buttons."""
    visit.page.emulate_media(media="print", color_scheme="dark")
    assert visit.page.locator("[role=tabpanel]:visible").count() == 6
    assert visit.page.locator("button.copy:visible, .tools:visible").count() == 0
    paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == "rgb(255, 255, 255)"


def test_without_scripts_there_are_charts(chromium: Any, written: Path) -> None:
    """Where scripts do not run, figures, tables and all code are there."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(written.resolve().as_uri())
    assert page.locator("svg.rw-svg").count() >= 6
    assert page.locator("[role=tabpanel]:visible").count() == 6
    context.close()


def test_a_hostile_name_is_a_text(chromium: Any, tmp_path: Path) -> None:
    """It runs nothing, loads nothing, and turns no direction: it is seen as it is written."""
    path = tmp_path / "report.html"
    path.write_text(hostile(chosen(), EVIL).html(), encoding="utf-8")
    context = chromium.new_context(viewport={"width": 1100, "height": 900})
    visit = Visit(context, path)
    assert visit.said == []
    assert visit.strangers == []
    assert visit.page.locator("img, b").count() == 0
    text = visit.page.locator("body").inner_text()
    assert "<img src=x onerror=alert(1)>" in text
    assert "\u202e" not in visit.page.content()
    assert "\x1b" not in visit.page.content()
    context.close()


def test_five_hundred_runs_are_drawn_at_once(chromium: Any, tmp_path: Path) -> None:
    """Every one has its curve; the page is small, and what is drawn is bounded."""
    path = tmp_path / "report.html"
    page = with_runs(chosen(), 500, 1000).html()
    assert len(page) < 3_000_000
    path.write_text(page, encoding="utf-8")
    context = chromium.new_context(viewport={"width": 1100, "height": 900})
    visit = Visit(context, path)
    figure = losses(visit)
    assert figure.locator("svg.rw-live path.rw-line").count() == 500
    spec = json.loads(page.partition(' id="charts">')[2].partition("</script>")[0])
    most = max(sum(len(one["y"]) for one in chart["series"]) for chart in spec)
    assert most <= 130_000
    assert visit.said == []
    context.close()
