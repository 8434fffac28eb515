"""What a page is made of: paragraphs, tables, charts, code, and how a notebook shows them."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from ratewise.view import svg
from ratewise.view.figures import Chart, dashes
from ratewise.view.glossary import with_terms
from ratewise.view.svg import escaped, place_class

Cell = str | tuple[str, float]
"""What stands in a table: a text, or a text with the number that it is sorted by."""


@dataclass(frozen=True)
class Prose:
    """Paragraphs; those that begin with a blank are set as they are, together.

    Args:
        lines: The paragraphs.
        kind: Class of the paragraphs, such as "lede", "rw-note" or "warn".
    """

    lines: Sequence[str]
    kind: str = ""


@dataclass(frozen=True)
class PageTable:
    """Rows below a head; a reader sorts them by any column.

    Args:
        head: Names of the columns.
        rows: Cells.
        label: What it holds.
        mine: Rows that are set off, by place.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    label: str
    mine: Sequence[int] = ()


@dataclass(frozen=True)
class Code:
    """Source code, to be copied."""

    text: str


@dataclass(frozen=True)
class Cards:
    """A few numbers that matter: what, how much, and a word on it."""

    cards: Sequence[tuple[str, str, str]]


@dataclass(frozen=True)
class Shares:
    """Amounts as one bar, in colours, and what is left of a whole, in grey.

    Args:
        parts: Name and amount of each.
        rest: Name of what is left.
        whole: What the bar as a whole stands for, at least their sum.
        label: What it shows.
    """

    parts: Sequence[tuple[str, float]]
    rest: str
    whole: float
    label: str


@dataclass(frozen=True)
class Tabs:
    """Blocks of which one is seen at a time, by name."""

    tabs: Mapping[str, Sequence[Block]]
    label: str


Block = Prose | PageTable | Chart | Code | Cards | Shares | Tabs


def number(value: float, digits: int = 5) -> Cell:
    """Return a number as a cell: "–" where there is none."""
    return (f"{value:.{digits}g}", value) if math.isfinite(value) else ("–", math.nan)


@functools.cache
def asset(name: str) -> str:
    """Return the text of a file that pages hold."""
    found = resources.files("ratewise.view").joinpath("assets", name)
    return found.read_text(encoding="utf-8")


# Parts of a page ------------------------------------------------------------------------------


def words(block: Prose, tip: str = "data-tip") -> str:
    """Return paragraphs, their terms explained."""
    parts: list[str] = []
    as_is: list[str] = []
    kind = f' class="{block.kind}"' if block.kind else ""
    for line in [*block.lines, None]:
        if line is not None and (line[:1] == " " or not line):
            as_is.append(line)
            continue
        if any(as_is):
            text = "\n".join(as_is).strip("\n")
            parts.append(f'<div class="code"><pre tabindex="0">{escaped(text)}</pre></div>')
        as_is = []
        if line is not None:
            said = escaped(line)
            parts.append(f"<p{kind}>{with_terms(said, tip)}</p>")
    return "\n".join(parts)


def table(block: PageTable, tip: str = "") -> str:
    """Return a table with numbers to the right, to be sorted by a script unless it has tips."""
    right = [any(isinstance(row[i], tuple) for row in block.rows) for i in range(len(block.head))]
    kinds = [' class="rw-n"' if one else "" for one in right]
    head = "".join(
        f'<th scope="col"{kind}>{with_terms(escaped(name), tip) if tip else escaped(name)}</th>'
        for name, kind in zip(block.head, kinds, strict=True)
    )
    rows: list[str] = []
    for place, row in enumerate(block.rows):
        cells = "".join(_cell(one, kind) for one, kind in zip(row, kinds, strict=True))
        mine = ' class="mine"' if place in block.mine else ""
        rows.append(f"<tr{mine}>{cells}</tr>")
    said = escaped(block.label)
    sort = "" if tip else ' class="sort"'
    return (f'<div class="rw-scroll" role="region" tabindex="0" aria-label="{said}">'
            f"<table{sort}><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
            "</div>")  # fmt: skip


def _cell(cell: Cell, kind: str) -> str:
    if isinstance(cell, str):
        return f"<td{kind}>{escaped(cell)}</td>"
    text, value = cell
    return f'<td{kind} data-v="{value:.10g}">{escaped(text)}</td>'


def key(chart: Chart) -> str:
    """Return the key to a chart: a piece of each line, with its name."""
    entries: dict[str, str] = {}
    several = len({one.group or one.name for one in chart.series if one.keyed}) > 1
    for one in chart.series:
        group = one.group or one.name
        if not one.keyed or group in entries or not several:
            continue
        dash = " ".join(f"{part:g}" for part in dashes(one.place))
        stroke = f' stroke-dasharray="{dash}"' if dash else ""
        shape = f'<path class="rw-line" d="M1 6H25"{stroke}/>'
        if one.kind == "dots":
            shape = (
                f'<path class="rw-dots rw-{svg.MARKERS[one.marker]}" d="{_SWATCHES[one.marker]}"/>'
            )
        swatch = f'<svg viewBox="0 0 26 12" aria-hidden="true">{shape}</svg>'
        entries[group] = (f'<li class="{place_class(one.place)}" data-group="{escaped(group)}">'
                          f"{swatch}<span>{escaped(group)}</span></li>")  # fmt: skip
    return f'<ul class="rw-key">{"".join(entries.values())}</ul>' if entries else ""


_SWATCHES = {"o": "M13 6h0", "x": "M9.5 2.5l7 7m0-7l-7 7", "|": "M13 1v10", "v": "M9 3l4 6l4-6z"}


def chart(block: Chart, index: int | None = None) -> str:
    """Return a chart with its title, its key and its note; `index` is its place among the live."""
    tip = "title" if index is None else "data-tip"
    title = f'<div class="rw-title">{escaped(block.title)}</div>' if block.title else ""
    note = f"<figcaption>{with_terms(escaped(block.note), tip)}</figcaption>" if block.note else ""
    live = "" if index is None else f' data-chart="{index}"'
    drawn = f'<div class="chart">{svg.draw(block)}</div>'
    return f"<figure{live}>{title}{drawn}{key(block)}{note}</figure>"


def cards(block: Cards) -> str:
    """Return a few numbers, each in a card."""
    each = (
        f"<div><dt>{with_terms(escaped(what))}</dt><dd>{escaped(value)}"
        f"<small>{escaped(said)}</small></dd></div>"
        for what, value, said in block.cards
    )
    return f'<dl class="cards">{"".join(each)}</dl>'


def shares(block: Shares) -> str:
    """Return amounts as a bar, and a list of what is in it."""
    left = block.whole - sum(amount for _, amount in block.parts)
    parts = [(f"rw-c{place % 7}", *part) for place, part in enumerate(block.parts)]
    parts += [("rw-grey", block.rest, left)] if left > 0 else []
    bars = "".join(
        f'<span class="{kind}" style="width:{100 * amount / (block.whole or 1.0):.3f}%"></span>'
        for kind, _, amount in parts
    )
    named = "".join(
        f'<li class="{kind}"><svg viewBox="0 0 26 12" aria-hidden="true">'
        f'<path class="rw-dots rw-round" d="M13 6h0"/></svg>'
        f"<span>{with_terms(escaped(name))} {amount:,.0f}</span></li>"
        for kind, name, amount in parts
    )
    said = escaped(block.label)
    return (f'<div class="meter"><div class="rw-title">{said}</div>'
            f'<div class="share" role="img" aria-label="{said}">{bars}</div>'
            f'<ul class="rw-key">{named}</ul></div>')  # fmt: skip


# In notebooks -----------------------------------------------------------------------------------


def inline(blocks: Iterable[Block]) -> str:
    """Return blocks as a piece of HTML that brings its style and needs no script."""
    parts: list[str] = []
    for one in blocks:
        if isinstance(one, Chart):
            parts.append(chart(one))
        elif isinstance(one, PageTable):
            parts.append(table(one, "title"))
        elif isinstance(one, Prose):
            parts.append(words(one, "title"))
        elif isinstance(one, Code):
            parts.append(f"<pre>{escaped(one.text)}</pre>")
    style = asset("charts.css")
    return f'<div class="rw rw-inline"><style>{style}</style>{"".join(parts)}</div>'
