"""What results show in notebooks: as HTML, made by the kernel that runs them."""

from __future__ import annotations

import re
import xml.etree.ElementTree
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.audit import audit
from ratewise.choose import advise, fit
from ratewise.logs import Curve
from tests.hostile import driving
from tests.view.choices import chosen

VOID = {"br", "hr", "img", "input", "link", "meta"}


class Balanced(HTMLParser):
    """The tags of a piece of a page, which have to be closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def fitted() -> Any:
    rates = 0.1 * np.linspace(1, 0, 300, endpoint=False)
    losses = 1 + 1.5 * np.arange(1, 301) ** -0.4 + rates
    return fit([Curve(np.arange(1, 301), rates, losses)])


def audited() -> Any:
    plan = rw.Warmup(10) >> rw.Cosine(to=0)
    rates = 0.1 * plan.resolve(100).values()
    return audit([{"step": i, "lr": float(rate)} for i, rate in enumerate(rates)], plan, lr=0.1,
                 total=100)  # fmt: skip


SHOWN: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "schedule": (lambda: (rw.Warmup(5) >> rw.Cosine(to=0.1)).resolve(50), ("Cosine", "peak")),
    "open": (lambda: rw.Warmup("5%") >> rw.Cosine(to=0), ("1,000 updates",)),
    "epochs": (lambda: rw.Step(every="2 epochs", factor=0.3), ("updates an epoch",)),
    "plan": (lambda: rw.Plan(lr=rw.Hold(), momentum=rw.Linear(to=0.5), notes=["so be it"]),
             ("momentum", "so be it")),
    "picture": (lambda: rw.show("Hold() >> Linear(to=0, over='20%')", 100), ("Linear",)),
    "comparison": (lambda: chosen().proof, ("seeds", "own settings")),
    "choice": (chosen, ("gain", "updates")),
    "range test": (lambda: chosen().found, ("smoothed loss", "cautious")),
    "advice": (lambda: advise(task="fine-tuning", method="lora"), ("rule", "source")),
    "fit": (fitted, ("law", "measured")),
    "audit": (audited, ("recorded", "intended", "The run used the rates that were meant")),
}  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_a_result_shows_itself(name: str) -> None:
    """Whole HTML with a chart, which brings its style, runs nothing and loads nothing."""
    make, words = SHOWN[name]
    shown = make()._repr_html_()
    page = Balanced(shown)
    assert {"svg", "style"} <= set(page.seen)
    assert not {"script", "img", "link", "iframe"} & set(page.seen)
    assert all(word in "".join(page.text) for word in words)
    assert driving(shown) == set()


def test_a_chart_is_whole_svg() -> None:
    """It is read as XML, and every line is drawn with numbers."""
    shown = (rw.Warmup(5) >> rw.Step(every=10, factor=0.5)).resolve(50)._repr_html_()
    first = shown[shown.index('<svg class="rw-svg"') :]
    depth, at = 0, 0
    while True:
        opened, closed = first.find("<svg", at), first.find("</svg>", at)
        depth, at = (depth + 1, opened + 4) if 0 <= opened < closed else (depth - 1, closed + 6)
        if not depth:
            break
    root = xml.etree.ElementTree.fromstring(first[:at])
    paths = [one.get("d", "") for one in root.iter() if one.tag.endswith("path")]
    assert len(paths) > 5
    assert not any("nan" in path or "inf" in path for path in paths)


def test_what_cannot_be_drawn_is_a_text() -> None:
    """A schedule that fits no run has no picture, and does not raise."""
    assert (rw.Warmup(5_000) >> rw.Cosine(to=0))._repr_html_() is None
    assert "Warmup" in repr(rw.Warmup(5_000) >> rw.Cosine(to=0))


def test_a_kernel_shows_it() -> None:
    """A notebook that is run by its own kernel, and written as a page by nbconvert."""
    nbformat = pytest.importorskip("nbformat")
    nbconvert = pytest.importorskip("nbconvert")
    pytest.importorskip("ipykernel")
    from nbconvert.preprocessors import ExecutePreprocessor

    code = (
        "import ratewise as rw\n"
        "from IPython.display import display\n"
        "display((rw.Warmup(5) >> rw.Cosine(to=0.1)).resolve(50))\n"
        "display(rw.Plan(lr=rw.Hold(), weight_decay=rw.Linear(to=0.5)))\n"
        "rw.show({'a': 'Cosine()', 'b': 'Linear()'}, 100, epoch=10)"
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    ExecutePreprocessor(timeout=300, kernel_name="python3").preprocess(book)
    outputs = book.cells[0].outputs
    kinds = [set(one["data"]) for one in outputs if "data" in one]
    assert len(kinds) == 3
    assert all({"text/html", "text/plain"} <= one for one in kinds)
    page, _ = nbconvert.HTMLExporter().from_notebook_node(book)
    assert len(re.findall(r'<svg[^>]* class="rw-svg"|<svg class="rw-svg"', page)) == 4
    assert "weight_decay" in page
