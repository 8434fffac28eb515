"""The page in a real browser, used as a person would; one server and one browser for all of it."""

from __future__ import annotations

import functools
import http.client
import json
import re
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import ratewise as rw
from ratewise.compare import compare
from ratewise.studio import from_link
from tests.runs.journal.tasks import ASKED, SCHEDULES, Bowl
from tests.studio.conftest import LONG, MISSING
from tests.studio.test_brought import CSV, STATE, TRAINER

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"the page needs {', '.join(MISSING)}")


def opened(page: Any, address: str, query: str = "") -> Any:
    page.goto(f"{address}{query}")
    page.wait_for_selector(".studio-plot[data-drawn]")
    return page


def text_of(page: Any) -> str:
    """The text of the schedule that is worked on, as its address has it."""
    return parse_qs(urlsplit(page.url).query)["plan"][-1]


def wait_for_text(page: Any, pattern: str) -> None:
    """Wait until the last schedule of the link matches."""

    def matches(url: str) -> bool:
        plans = parse_qs(urlsplit(url).query).get("plan", [""])
        return re.search(pattern, plans[-1]) is not None

    page.wait_for_url(matches, wait_until="commit")


def tab(page: Any, name: str) -> Any:
    page.get_by_role("tab", name=name).click()
    return page.get_by_role("tabpanel", name=name)


def curves(page: Any) -> list[dict[str, Any]]:
    """What plotly holds: the points of every curve, as they were drawn."""
    return page.evaluate(
        "() => document.querySelector('.studio-plot').data.map((one) => "
        "({name: one.name, mode: one.mode, y: Array.from(one.y), x: one.x && Array.from(one.x)}))"
    )


def test_a_schedule_is_designed_by_hand(page: Any, address: str) -> None:
    """Moves are picked, typed into, dragged and moved by keys; the link holds the whole of it."""
    opened(page, address, "?plan=Warmup(500)&total=10000")
    tab(page, "Design")
    page.get_by_label("Add a move").select_option("Cosine")
    wait_for_text(page, r"Cosine\(to=0\)$")
    card = page.locator(".studio-move").filter(has=page.get_by_role("heading", name="Cosine"))
    card.get_by_label("to", exact=True).fill("0.1")
    card.get_by_label("to", exact=True).press("Enter")
    wait_for_text(page, r"Cosine\(to=0\.1\)$")
    (drawn,) = curves(page)
    assert drawn["y"] == rw.parse(text_of(page)).resolve(10_000).values().tolist()

    card.get_by_label("to", exact=True).fill("-1")
    card.get_by_label("to", exact=True).press("Enter")
    card.get_by_role("alert").get_by_text("needs to in [0, inf)").wait_for()
    assert text_of(page).endswith("Cosine(to=0.1)")
    card.get_by_label("to", exact=True).fill("0.1")
    card.get_by_label("to", exact=True).press("Enter")
    card.get_by_role("alert").wait_for(state="detached")

    handle = page.get_by_role("button", name="end of Warmup: update 500, level 1")
    handle.focus()
    page.keyboard.press("ArrowRight")
    wait_for_text(page, r"^Warmup\(600\)")
    page.keyboard.press("ArrowDown")
    wait_for_text(page, r"^Warmup\(600, to=0\.95\)")

    box = page.locator(".studio-handle").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 90, y + 60, steps=4)
    page.mouse.up()
    wait_for_text(page, r"^Warmup\([12][0-9]{3}, to=0\.[4-9]")

    link = urlsplit(page.url).query
    again = from_link(link)
    opened(page, address, f"?{link}")
    tab(page, "Design")
    assert page.get_by_label("Text of the schedule").input_value() == repr(again.at.value)
    page.get_by_role("button", name="Remove Cosine").click()
    wait_for_text(page, r"^Warmup\([0-9]+, to=[0-9.]+\)$")
    page.get_by_role("button", name="Undo").click()
    wait_for_text(page, r"Cosine\(to=0\.1\)$")


def test_schedules_are_overlaid_and_read_off(page: Any, address: str) -> None:
    """Several curves, a cursor with step, level and rate, and a run of another length."""
    opened(page, address, "?plan=Warmup(500)>>Hold()&plan=Linear()&active=1&total=10000")
    tab(page, "Design")
    page.get_by_role("button", name="Draw one more schedule").click()
    page.get_by_label("Text of the schedule").fill("WSD('5%', decay='20%')")
    page.get_by_label("Text of the schedule").press("Enter")
    wait_for_text(page, r"^Warmup\(\"5%\"\) >> Hold")
    assert len(curves(page)) == 3
    page.get_by_label("Peak rate").fill("3e-4")
    page.get_by_label("Peak rate").press("Enter")
    page.get_by_label("Cursor at update").fill("9000")
    readings = page.get_by_role("table", name="At the cursor")
    readings.get_by_role("cell", name="9,000").first.wait_for()
    rows = [row.split("\t") for row in readings.inner_text().splitlines()[1:]]
    assert [row[1:] for row in rows] == [
        ["9,000", "1", "3e-4"], ["9,000", "0.1", "3e-5"], ["9,000", "0.5", "1.5e-4"],
    ]  # fmt: skip
    page.get_by_label("What if it were").fill("150")
    page.get_by_text("20,000 updates (2.00×)").wait_for()
    page.wait_for_function("document.querySelector('.studio-plot').data.length === 6")
    depends = page.get_by_role("list", name="What depends on the total")
    assert depends.inner_text().splitlines() == [
        "Warmup(500) >> Hold() is the same whatever the total",
        "Linear(to=0) depends on the total",
        'Warmup("5%") >> Hold() >> Linear(to=0, over="20%") depends on the total',
    ]
    page.get_by_role("button", name="Hide Linear").click()
    page.wait_for_function("document.querySelector('.studio-plot').data.length === 4")
    page.get_by_label("Logarithmic axis").check()
    page.wait_for_function("document.querySelector('.studio-plot').layout.yaxis.type === 'log'")
    page.get_by_label("Total", exact=True).fill("2 parsecs")
    page.get_by_label("Total", exact=True).press("Enter")
    page.get_by_role("alert").get_by_text("write updates as an int").first.wait_for()


def test_configs_and_logs_are_brought(page: Any, address: str) -> None:
    """A config is pasted, a log dropped: both are drawn, audited, simulated on and predicted."""
    opened(page, address)
    panel = tab(page, "Read")
    panel.get_by_label("Paste a schedule").fill(json.dumps(TRAINER))
    panel.get_by_role("button", name="Read it").click()
    panel.get_by_text("pasted text: read as").wait_for()
    wait_for_text(page, r"^Plan\(lr=Warmup\(100, start=0\) >> Cosine")
    assert parse_qs(urlsplit(page.url).query)["total"] == ["1000"]

    dropped(page, "trainer_state.json", STATE.decode())
    panel.get_by_text("a log with 100 rates and 1 loss curve.").wait_for()
    log = panel.get_by_role("article", name="Log trainer_state.json")
    log.get_by_text("The run departs from the plan").wait_for()
    page.wait_for_function(
        "document.querySelector('.studio-plot').data.map((one) => one.mode).join().split('markers')"
        ".length === 3"
    )
    log.get_by_role("button", name="Draw the schedule that the log shows").click()
    wait_for_text(page, r"Linear\(")
    panel.get_by_text("The run used the rates that were meant").wait_for()

    panel.get_by_label("Paste a schedule").fill("Cosine(too=1)")
    panel.get_by_role("button", name="Read it").click()
    panel.get_by_role("status").get_by_text("does not take too=1").wait_for()
    page.evaluate("() => { window.large = 'x'.repeat(5000001); }")
    dropped(page, "large.csv", None)
    panel.get_by_role("status").get_by_text("5,000,001 bytes: give at most 5,000,000").wait_for()

    panel = tab(page, "Predict")
    panel.get_by_role("button", name="Fit a law").click()
    table = panel.get_by_role("table", name="Predicted losses")
    table.get_by_role("columnheader", name="loss").wait_for()
    assert table.get_by_role("row").count() == 1 + len(from_link(urlsplit(page.url).query).drawings)

    panel = tab(page, "Simulate")
    panel.get_by_role("button", name="Let the schedule listen").click()
    wait_for_text(page, r"Plateau\(")
    panel.get_by_label("Metric").select_option("1: eval_loss")
    panel.get_by_role("button", name="Simulate", exact=True).click()
    panel.get_by_role("list", name="What was decided").get_by_role("listitem").first.wait_for()


def dropped(page: Any, name: str, content: str | None) -> None:
    """Drop a file on the page as a hand does."""
    page.evaluate(
        """([name, content]) => {
            const given = new DataTransfer();
            given.items.add(new File([content ?? window.large], name));
            const event = new DragEvent("drop", {dataTransfer: given, bubbles: true});
            document.body.dispatchEvent(event);
        }""",
        [name, content],
    )


def test_advice_and_code_are_at_hand(page: Any, address: str) -> None:
    """Cards name their sources and can be drawn; code is copied; the page is dark on request."""
    opened(page, address)
    panel = tab(page, "Advice")
    panel.get_by_label("task", exact=True).select_option("fine-tuning")
    panel.get_by_label("kind", exact=True).select_option("language model")
    panel.get_by_text(re.compile("^Fits: .*the task is fine-tuning")).first.wait_for()
    cards = panel.get_by_role("article")
    assert panel.get_by_text("Source: ").count() + panel.locator(".plan").count() == cards.count()
    panel.locator(".plan").first.get_by_role("button").click()
    wait_for_text(page, r"^Plan\(lr=")

    panel = tab(page, "Code")
    panel.get_by_label("Framework").select_option("torch")
    panel.get_by_text("def level(t: int)").wait_for()
    panel.get_by_role("button", name="Copy the code").click()
    panel.get_by_role("status").get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    compile(copied, "copied", "exec")
    page.get_by_role("button", name="Copy the link").click()
    page.locator(".studio-head").get_by_role("status").get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.url

    before = ink(page)
    page.get_by_role("button", name="Light or dark").click()
    page.wait_for_selector("body.body--dark")
    page.wait_for_function(
        "(before) => document.querySelector('.studio-plot').layout.font.color !== before",
        arg=before,
    )


def ink(page: Any) -> str:
    return page.evaluate("document.querySelector('.studio-plot').layout.font.color")


def test_a_hostile_link_shows_an_error_and_does_no_more(page: Any, address: str) -> None:
    """Whatever a link says, the page is there, with the error and the schedule to begin with."""
    script = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>'
    for query in (f"?plan={script}", f"?plan=Cosine()&name={script}", "?plan=__import__('os')"):
        opened(page, address, query)
        page.wait_for_timeout(50)
        assert page.evaluate("window.pwned") is None
        if "name=" in query:
            assert page.get_by_text("<img src=x").count()
        else:
            assert page.get_by_role("alert").get_by_text(re.compile("parse|expression")).count()
            assert len(curves(page)) == 1


def test_a_comparison_is_followed_live(page: Any, address: str, journal: Path) -> None:
    """While it trains the page tells what runs and how far it is, and the best when it has ended.

    The studio was started with the journal, which is written by another process: this one.
    """
    halfway, go_on = threading.Event(), threading.Event()

    def progress(done: int, planned: int, what: str) -> None:
        if 2 * done > planned and not halfway.is_set():
            halfway.set()
            go_on.wait(LONG / 1000)

    plans = {name: SCHEDULES[name] for name in ("cosine", "late", "step")}
    train = functools.partial(compare, Bowl(), plans, **ASKED, journal=journal, progress=progress)
    worker = threading.Thread(target=train, daemon=True)
    opened(page, address)
    panel = page.get_by_role("tabpanel", name="Follow")
    panel.get_by_text("compare: ended; 4 of 4 runs finished").wait_for()
    worker.start()
    assert halfway.wait(LONG / 1000)
    try:
        panel.get_by_text("compare: running;").wait_for()
        panel.get_by_text(re.compile("^training ")).wait_for()
    finally:
        go_on.set()
        worker.join(LONG / 1000)
    panel.get_by_text("compare: ended; 12 of 12 runs finished, 0 failed").wait_for()
    panel.get_by_text(re.compile("^best so far, the lowest loss: ")).wait_for()
    assert panel.get_by_role("table", name="Best runs so far").get_by_role("row").count() == 9


def test_the_page_can_be_used_by_everybody(page: Any, address: str, tmp_path: Path) -> None:
    """No serious finding of axe in any tab, on a phone in the dark and on a desk in the light.

    On a phone nothing is cut off: the page is as wide as the screen. Pictures of it are left
    behind, for who wants to look: `--basetemp` says where.
    """
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    opened(page, address, "?plan=Warmup(500)>>Cosine()&plan=Linear()&total=10000&lr=0.0003")
    page.wait_for_selector("body.body--dark")
    for name in ("Follow", "Design", "Read", "Simulate", "Predict", "Advice", "Code"):
        tab(page, name)
        page.wait_for_timeout(50)
        assert serious(Axe(), page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        page.screenshot(path=tmp_path / f"{name}-phone-dark.png")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_selector("body.body--light")
    for name in ("Read", "Simulate", "Design"):
        tab(page, name)
        page.screenshot(path=tmp_path / f"{name}-desk-light.png")
    assert serious(Axe(), page) == []
    assert len([*tmp_path.glob("*.png")]) == 10


def serious(axe: Any, page: Any) -> list[str]:
    found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:150]}" for one in found
            if one["impact"] in ("serious", "critical")]  # fmt: skip


def test_the_keyboard_reaches_everything(page: Any, address: str) -> None:
    """Every control that is on the page can be reached with the Tab key alone, in its order."""
    opened(page, address, "?plan=Warmup(500)>>Cosine()&total=10000")
    tab(page, "Design").get_by_label("Add a move").wait_for()
    reach = """() => [...document.querySelectorAll('button, input, select, textarea, summary')]
        .filter((one) => one.checkVisibility({visibilityProperty: true})).length"""
    wanted = page.evaluate(reach)
    page.evaluate("() => { document.activeElement.blur(); window.reached = new Set(); }")
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        page.evaluate("() => window.reached.add(document.activeElement)")
    kinds = "button, input, select, textarea, summary"
    reached = page.evaluate(
        "(kinds) => [...window.reached].filter((one) => one.matches(kinds)).length", kinds
    )
    assert reached == wanted


def test_foreign_pages_are_refused_by_the_real_server(address: str) -> None:
    """Over the wire: a foreign host or origin gets nothing, not the web socket either."""
    host = urlsplit(address).netloc
    socket_path = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
    foreign = {"Origin": "http://evil.example"}
    assert status(host, "GET", "/", {}) == 200
    assert status(host, "GET", "/", {"Host": "evil.example"}) == 403
    assert status(host, "GET", "/", foreign) == 403
    assert status(host, "GET", socket_path, {**upgrade, **foreign}) == 403
    assert status(host, "GET", socket_path, {**upgrade, "Host": "evil.example:80"}) == 403
    assert status(host, "GET", socket_path, {**upgrade, "Origin": f"http://{host}"}) == 101
    assert status(host, "POST", "/studio/content?token=guess", {}, CSV) == 403
    assert status(host, "GET", "/docs", {}) == 404
    assert status(host, "GET", "/../../etc/passwd", {}) == 404


def status(host: str, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> int:
    made = http.client.HTTPConnection(host, timeout=LONG / 1000)
    try:
        made.putrequest(method, path, skip_host="Host" in headers)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            made.putheader(name, value)
        made.endheaders(body)
        return made.getresponse().status
    finally:
        made.close()
