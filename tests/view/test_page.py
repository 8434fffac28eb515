"""A page holds texts of others as texts, in charts, tables, tabs and cards too."""

from __future__ import annotations

import html.parser
import json
import re
from typing import Any

import numpy as np
from hypothesis import example, given, settings

from ratewise.view.blocks import Cards, Code, PageTable, Prose, Shares, Tabs, inline
from ratewise.view.figures import Axis, Chart, ChartMark, ChartSeries
from ratewise.view.glossary import GLOSSARY, with_terms
from ratewise.view.page import page
from tests.examples import examples
from tests.hostile import driving, names


class Tags(html.parser.HTMLParser):
    """The tags of a page with the names of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[tuple[str, ...]] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.add((tag, *sorted(name for name, _ in attrs)))


def chart(one: str, two: str) -> Chart:
    x = np.arange(3.0)
    series = [
        ChartSeries(one, x, x, texts=[two], group=two),
        ChartSeries(two, x, x, "dots", 1, x, x + 1),
    ]
    names = [one, two, one]
    marks = [ChartMark(1.0, one)]
    across = Axis(one, others=[(two, 2.0)])
    return Chart(two, across, Axis(two, names=names), series, marks, one)


def pages(one: str, two: str) -> tuple[str, str]:
    """A page, and what a notebook shows, with these two texts wherever there may be some."""
    blocks = [
        Prose([one, f" {two}"]), PageTable([one, two], [[two, (one, 1.0)]], one), Code(two),
        chart(one, two),
    ]  # fmt: skip
    more = [
        Cards([(one, two, one)]),
        Shares([(one, 1.0)], two, 3.0, one),
        Tabs({one: [Code(two)], f"{two} ": [Prose([one])]}, two),
    ]
    return page(one, two, {one: [*blocks, *more]}, two), inline(blocks)


@settings(max_examples=examples(15), derandomize=True)
@given(names, names)
@example("</script><script>alert(1)</script>", '" onload="alert(1)')
@example("]]>--><!--", "</style></svg>\u202e\x1b[31m")
def test_texts_of_others_are_texts(one: str, two: str) -> None:
    """No tag and no attribute comes from them; nothing of them drives anything."""
    for made, plain in zip(pages(one, two), pages("a", "b"), strict=True):
        made.encode()
        assert driving(made) == set()
        optional = {("dfn", "data-tip", "tabindex"), ("dfn", "tabindex", "title"), ("p",),
                    ("div", "class"), ("pre", "tabindex")}  # fmt: skip
        assert Tags(made).found <= Tags(plain).found | optional


@settings(max_examples=examples(15), derandomize=True)
@given(names, names)
def test_charts_are_read_back(one: str, two: str) -> None:
    """The data of a page are JSON that no text in it can end."""
    made, _ = pages(one, two)
    data = re.search(r'<script type="application/json" id="charts">(.*?)</script>', made, re.S)
    assert data is not None
    assert not re.search(r"[<>&]", data.group(1))
    (told,) = json.loads(data.group(1))
    assert len(told["series"]) == 2
    assert driving(told["series"][0]["n"]) == set()


def test_every_word_of_the_glossary_is_found() -> None:
    """Each is explained once in a text, and told in none of its attributes again."""
    for word, meaning in GLOSSARY.items():
        made = with_terms(f"a {word} and a {word}")
        assert made.count("<dfn") == 1, word
        assert meaning.split('"')[0][:20] in made
    assert with_terms("superpeaks noisesome") == "superpeaks noisesome"


def test_a_page_names_nothing_that_is_elsewhere() -> None:
    """No address but those of the name spaces, and a policy that forbids to load any."""
    made, shown = pages("a", "b")
    addresses = set(re.findall(r"https?://[^\s\"'<>]+", made + shown))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in made
