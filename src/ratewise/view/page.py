"""A report as a page that needs nothing else."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable

from ratewise._printable import printable

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#222;background:#fff}pre{background:#f5f5f5;padding:.8rem;overflow-x:auto;"
    "font-size:13px;line-height:1.35}img{max-width:100%}h2{margin-top:2rem}"
)


def page(
    title: str,
    heading: str,
    picture: bytes | None,
    legend: str,
    chapters: Iterable[tuple[str, list[str]]],
    source: tuple[str, str],
) -> str:
    """Return a report as HTML.

    Args:
        title: What the window is called.
        heading: What stands above.
        picture: A PNG below it, or None.
        legend: What the picture shows, for those who do not see it.
        chapters: Titles and paragraphs; lines that begin with a blank are set as they are.
        source: Title and text of source code, at the end.
    """
    body = [f"<h1>{_escaped(heading)}</h1>", _picture(picture, legend)]
    for chapter, lines in chapters:
        body += [f"<h2>{_escaped(chapter)}</h2>", *_paragraphs(lines)]
    body += [f"<h2>{_escaped(source[0])}</h2>", f"<pre>{_escaped(source[1])}</pre>"]
    head = f"<title>{_escaped(title)}</title><style>{STYLE}</style>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"{head}</head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _escaped(text: str) -> str:
    return html.escape(printable(text, keep="\n"))


def _picture(picture: bytes | None, legend: str) -> str:
    if picture is None:
        return ""
    data = base64.b64encode(picture).decode()
    return f'<img alt="{_escaped(legend)}" src="data:image/png;base64,{data}">'


def _paragraphs(lines: list[str]) -> list[str]:
    """Return lines as paragraphs, and those that begin with a blank as they are, together."""
    found: list[str] = []
    set_as_is: list[str] = []
    for line in [*lines, "."]:
        if line.startswith(" ") or not line:
            set_as_is.append(line)
            continue
        if any(set_as_is):
            found.append(f"<pre>{_escaped(chr(10).join(set_as_is).strip(chr(10)))}</pre>")
        set_as_is = []
        found.append(f"<p>{_escaped(line)}</p>")
    return found[:-1]
