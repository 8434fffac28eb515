"""The look of the page: the colours of our figures, light and dark, and its style sheet."""

from __future__ import annotations

from importlib.resources import files

from ratewise.view.style import COLOURS

DARK = ("#5CB3F0", "#FF8A47", "#34C79B", "#E79AC6", "#9AD7F7", "#F5BC4D", "#EDEDED")
"""The colours on a dark page, where the others would be too dim."""


def styles() -> str:
    """Return the style sheet."""
    sheet = (files("ratewise.studio") / "studio.css").read_text(encoding="utf-8")
    return f"{_colours('body', COLOURS)}\n{_colours('body.body--dark', DARK)}\n{sheet}"


def _colours(where: str, colours: tuple[str, ...]) -> str:
    told = " ".join(f"--c{place}: {colour};" for place, colour in enumerate(colours))
    return f"{where} {{ {told} }}"
