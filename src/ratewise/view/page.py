"""A report as one file that needs nothing else: no server, no network, no script to be read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ratewise._printable import printable
from ratewise.view import blocks
from ratewise.view.blocks import Block, Cards, Code, PageTable, Prose, Shares, Tabs, asset
from ratewise.view.figures import Axis, Chart, ChartSeries, dashes, ends_of
from ratewise.view.glossary import GLOSSARY
from ratewise.view.svg import escaped

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
"""What the page may load: nothing."""

DRAWN = 60
"""Series up to which a chart is also drawn without scripts; of more, so many are."""


def page(title: str, heading: str, chapters: Mapping[str, Sequence[Block]], made: str = "") -> str:
    """Return a report as HTML.

    Args:
        title: What the window is called.
        heading: What stands above.
        chapters: What follows, by title; that with the title "" comes first and has none.
        made: Who made it and when, at its foot.
    """
    writer = Writer()
    body = [f'<p class="brand">ratewise · report</p><h1>{escaped(heading)}</h1>']
    for chapter, parts in chapters.items():
        head = f"<h2>{escaped(chapter)}</h2>" if chapter else ""
        body.append(f"<section>{head}{''.join(map(writer.block, parts))}</section>")
    body += ["<section><h2>Words</h2>", _glossary(), "</section>"]
    body.append(f"<footer>{escaped(made)}</footer>" if made else "")
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{escaped(title)}</title><style>{asset('charts.css')}{asset('page.css')}</style>"
    )
    data = _script(writer.charts)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body class="rw"><main>'
        + "\n".join(body)
        + '</main>\n<div id="tip" role="tooltip" hidden></div>\n'
        + f'<script type="application/json" id="charts">{data}</script>\n'
        + f"<script>{asset('page.js')}</script>\n</body></html>\n"
    )


class Writer:
    """Writes blocks as HTML, and remembers the charts that are drawn again where they are moved."""

    def __init__(self) -> None:
        self.charts: list[dict[str, Any]] = []
        self._tabs = 0

    def block(self, block: Block) -> str:
        """Return a block as HTML."""
        match block:
            case Prose():
                return blocks.words(block)
            case PageTable():
                return blocks.table(block)
            case Code():
                return f'<div class="code"><pre tabindex="0">{escaped(block.text)}</pre></div>'
            case Cards():
                return blocks.cards(block)
            case Shares():
                return blocks.shares(block)
            case Tabs():
                return self._tabbed(block)
            case Chart():
                self.charts.append(told(block))
                return blocks.chart(_fewer(block), len(self.charts) - 1)

    def _tabbed(self, block: Tabs) -> str:
        heads: list[str] = []
        panels: list[str] = []
        for name, parts in block.tabs.items():
            self._tabs += 1
            mine = f"tab{self._tabs}"
            heads.append(f'<button type="button" role="tab" id="{mine}" aria-controls="{mine}p">'
                         f"{escaped(name)}</button>")  # fmt: skip
            panels.append(f'<div role="tabpanel" id="{mine}p" aria-labelledby="{mine}" '
                          f'data-name="{escaped(name)}">{"".join(map(self.block, parts))}'
                          "</div>")  # fmt: skip
        label = escaped(block.label)
        return (f'<div class="tabs" role="tablist" aria-label="{label}" hidden>{"".join(heads)}'
                f"</div>{''.join(panels)}")  # fmt: skip


def _fewer(chart: Chart) -> Chart:
    if len(chart.series) <= DRAWN:
        return chart
    from dataclasses import replace

    keyed = [one for one in chart.series if one.keyed]
    rest = [one for one in chart.series if not one.keyed]
    return replace(chart, series=[*keyed, *rest][:DRAWN] if len(keyed) <= DRAWN else keyed)


def _glossary() -> str:
    each = (f"<dt>{escaped(word)}</dt><dd>{escaped(said)}</dd>" for word, said in GLOSSARY.items())
    return f'<dl class="words">{"".join(each)}</dl>'


# Charts as data ------------------------------------------------------------------------------


def told(chart: Chart) -> dict[str, Any]:
    """Return a chart as JSON types, for the script that draws it again; texts can be printed."""
    return _shown({
        "said": f"{chart.title} {chart.note}".strip() or f"{chart.y.label} over {chart.x.label}",
        "height": chart.height,
        "smooth": chart.smooth,
        "x": _axis(chart.x, ends_of(chart, up=False)),
        "y": _axis(chart.y, ends_of(chart, up=True)),
        "series": [_series(one) for one in chart.series],
        "marks": [
            {"at": one.at, "text": one.text, "up": one.up, "low": _or_none(one.low),
             "high": _or_none(one.high), "p": one.place, "kind": one.kind} for one in chart.marks
        ],
    })  # fmt: skip


def _shown(value: Any) -> Any:
    """Return JSON types with an escape in place of whatever is not printed."""
    if isinstance(value, str):
        return printable(value, keep="\n")
    if isinstance(value, dict):
        return {key: _shown(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(one) for one in value]
    return value


def _axis(axis: Axis, ends: tuple[float, float]) -> dict[str, Any]:
    return {"label": axis.label, "log": axis.log, "ends": ends, "form": axis.form,
            "names": list(axis.names), "others": list(axis.others), "free": axis.free}  # fmt: skip


def _series(one: ChartSeries) -> dict[str, Any]:
    bars = {}
    if one.low is not None and one.high is not None:
        bars = {"lo": _numbers(one.low), "hi": _numbers(one.high)}
    return {
        "n": one.name, "g": one.group or one.name, "k": one.kind, "p": one.place,
        "d": " ".join(f"{part:g}" for part in dashes(one.place)), "m": one.marker,
        "key": one.keyed, "thin": one.thin, "off": one.off, "t": list(one.texts),
        "x": _packed(one.x), "y": _numbers(one.y), **bars,
    }  # fmt: skip


def _packed(values: Any) -> Any:
    """Return numbers that rise evenly as the first, the step and the count; others as they are."""
    given = np.asarray(values, dtype=np.float64)
    if len(given) > 4:
        step = (given[-1] - given[0]) / (len(given) - 1)
        even = given[0] + step * np.arange(len(given))
        if np.abs(even - given).max() <= 1e-9 * max(abs(given[-1]), abs(given[0]), 1e-300):
            return {"a": float(given[0]), "d": float(step), "n": len(given)}
    return _numbers(given)


def _numbers(values: Any) -> list[float | None]:
    """Return numbers in six figures; what is none becomes None."""
    given = np.asarray(values, dtype=np.float64)
    return [float(f"{v:.6g}") if v - v == 0 else None for v in given.tolist()]


def _or_none(value: float) -> float | None:
    return value if value - value == 0 else None


def _script(charts: Iterable[dict[str, Any]]) -> str:
    """Return JSON in which nothing can end the script that holds it."""
    text = json.dumps(list(charts), separators=(",", ":"), allow_nan=False)
    for char in "<>&\x7f":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
