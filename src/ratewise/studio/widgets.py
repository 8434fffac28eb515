"""The few elements that the page is made of, each a small component of the browser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

Heard = Callable[[Any], Any]
"""What is called with what was typed."""

PLOTLY = ui.plotly
"""Named so that NiceGUI serves the plotly that it brings; the chart imports it in the browser."""


class Said(TextElement):
    """Text in an element of HTML; it is never read as HTML."""

    def __init__(self, text: str, tag: str = "p", classes: str = "") -> None:
        super().__init__(tag=tag, text=text)
        self.classes(classes)

    def say(self, text: str) -> None:
        """Show another text."""
        if self.text != text:
            self.text = text


class Push(Said):
    """A button; its name for readers begins with what is on it, if that is a word."""

    def __init__(
        self, text: str, pushed: Callable[[], Any], hint: str = "", classes: str = ""
    ) -> None:
        super().__init__(text, "button", classes)
        self.props["type"] = "button"
        if hint:
            symbol = not text.isascii() or text in hint
            self.props["title"] = hint
            self.props["aria-label"] = hint if symbol else f"{text}: {hint}"
        self.on("click", lambda _: pushed(), args=[])


class ChartElement(Element, component="chart.js"):
    """The chart and its handles."""

    def __init__(self, moved: Heard, cursor: Heard) -> None:
        super().__init__()
        self.on("handle", lambda event: moved(event.args), throttle=0.02)
        self.on("cursor", lambda event: cursor(event.args))

    def draw(self, figure: dict[str, Any]) -> None:
        """Draw a figure, and put the handles where they belong."""
        self.run_method("draw", figure)


class Field(Element, component="field.js"):
    """A field with a label, and room for what is wrong with what was typed."""

    def __init__(self, label: str, committed: Heard, *, kind: str = "text", value: Any = "",
                 hint: str = "", placeholder: str = "", choices: Sequence[str] = (),
                 low: float = 0, high: float = 100, step: float = 1) -> None:  # fmt: skip
        super().__init__()
        told = {"label": label, "kind": kind, "value": value, "hint": hint,
                "placeholder": placeholder, "choices": list(choices), "error": "",
                "min": low, "max": high, "step": step}  # fmt: skip
        for name, one in told.items():
            self.props[name] = one
        throttle = 0.02 if kind == "range" else 0.0
        self.on("commit", lambda event: committed(event.args["value"]), throttle=throttle)

    def show(self, **told: Any) -> None:
        """Change what is shown: `value`, `hint`, `error`, `max` and so on."""
        new = {name: one for name, one in told.items() if self.props.get(name) != one}
        for name, one in new.items():
            self.props[name] = one
        if new:
            self.update()


class Drop(Element, component="drop.js"):
    """Where content is pasted, dropped or chosen."""

    def __init__(self, token: str, most: int) -> None:
        super().__init__()
        self.props["token"], self.props["most"] = token, most


class Copy(Element, component="copy.js"):
    """A text with a button that copies it; bare, the button alone."""

    def __init__(self, text: str, label: str, *, bare: bool = False, link: bool = False) -> None:
        super().__init__()
        self.props["text"], self.props["label"] = text, label
        self.props["bare"], self.props["link"] = bare, link

    def say(self, text: str) -> None:
        """Show another text."""
        if self.props["text"] != text:
            self.props["text"] = text
            self.update()


def box(classes: str = "", tag: str = "div", **props: Any) -> Element:
    """Return an element that holds others."""
    made = Element(tag).classes(classes)
    for name, value in props.items():
        made.props[name.replace("_", "-")] = value
    return made
