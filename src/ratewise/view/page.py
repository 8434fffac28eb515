"""A choice as files: a page to read, a figure, and all numbers."""

from __future__ import annotations

import base64
import html
import io
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ratewise.choose.report import chapters
from ratewise.schedule import ScheduleError

if TYPE_CHECKING:
    from ratewise.choose.result import Choice

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#222;background:#fff}pre{background:#f5f5f5;padding:.8rem;overflow-x:auto;"
    "font-size:13px;line-height:1.35}img{max-width:100%}h2{margin-top:2rem}"
)


def page(choice: Choice) -> str:
    """Return the report as HTML that needs nothing else; without matplotlib it has no figure."""
    body = [f"<h1>{html.escape(choice.name)} at {choice.peak:g}</h1>", _picture(choice)]
    for title, lines in chapters(choice):
        body.append(f"<h2>{html.escape(title)}</h2>")
        body += _paragraphs(lines)
    body.append("<h2>As PyTorch code</h2>")
    body.append(f"<pre>{html.escape(_code(choice))}</pre>")
    head = f"<title>{html.escape(choice.name)}</title><style>{STYLE}</style>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"{head}</head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def save(choice: Choice, folder: str | os.PathLike[str]) -> None:
    """Write report.html, choice.json and figure.png into a new folder, all or nothing."""
    out = Path(folder)
    who = f"Choice.save({str(folder)!r})"
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ScheduleError(who, "is there already", "give a new folder")
    part = out.resolve().with_name(f".{out.name}-{os.getpid()}")
    try:
        part.mkdir(parents=True)
        text = json.dumps(choice.to_dict(), indent=1, allow_nan=False)
        (part / "choice.json").write_text(text + "\n", encoding="utf-8")
        (part / "report.html").write_text(choice.html(), encoding="utf-8")
        picture = _png(choice)
        if picture is not None:
            (part / "figure.png").write_bytes(picture)
        part.rename(out)
    except OSError as error:
        rule = f"cannot be written ({error.strerror})"
        raise ScheduleError(who, rule, "give another place") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _png(choice: Choice) -> bytes | None:
    try:
        figure = choice.figure()
    except ImportError:
        return None
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _picture(choice: Choice) -> str:
    picture = _png(choice)
    if picture is None:
        return ""
    data = base64.b64encode(picture).decode()
    return f'<img alt="Range test, search, proof and schedule" src="data:image/png;base64,{data}">'


def _paragraphs(lines: list[str]) -> list[str]:
    """Return lines as paragraphs, and those that begin with a blank as they are, together."""
    found: list[str] = []
    set_as_is: list[str] = []
    for line in [*lines, "."]:
        if line.startswith(" ") or not line:
            set_as_is.append(line)
            continue
        if any(set_as_is):
            found.append(f"<pre>{html.escape(chr(10).join(set_as_is).strip(chr(10)))}</pre>")
        set_as_is = []
        found.append(f"<p>{html.escape(line)}</p>")
    return found[:-1]


def _code(choice: Choice) -> str:
    try:
        return choice.code("torch")
    except ScheduleError as error:
        return f"# {error}"
