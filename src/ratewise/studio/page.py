"""The page: its frame, its tabs, and which panel is where."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import Request
from nicegui import ui

from ratewise.schedule import ScheduleError
from ratewise.studio.link import from_link
from ratewise.studio.look import styles
from ratewise.studio.opening import OpenPages, StartedWith
from ratewise.studio.panels.chart import ChartPanel, RunPanel
from ratewise.studio.panels.design import DesignPanel
from ratewise.studio.panels.follow import FollowPanel
from ratewise.studio.panels.know import AdvicePanel, CodePanel
from ratewise.studio.panels.measure import PlateauPanel, PredictPanel
from ratewise.studio.panels.read import ReadPanel
from ratewise.studio.session import REFUSED, Session
from ratewise.studio.widgets import Copy, Push, Said, box

LOOKS: tuple[tuple[str, bool | None], ...] = (("auto", None), ("dark", True), ("light", False))


def build(open_pages: OpenPages, given: StartedWith) -> None:
    """Make the page known to NiceGUI."""

    @ui.page("/")
    def page(request: Request) -> None:
        session, said = begun(request.url.query, given)
        token = open_pages.new(session)
        ui.context.client.on_delete(lambda: open_pages.sessions.pop(token, None))
        ui.add_css(styles())
        draw(session, token)
        session.error = said or session.error
        session.tell()


def begun(query: str, given: StartedWith) -> tuple[Session, str]:
    """Return the session of a page that is opened by a link, and what is wrong with the link."""
    session, said = Session(journals=given.journals), ""
    try:
        session.state = from_link(query)
    except ScheduleError as error:
        said = str(error)
    for found in given.found:
        try:
            session.take(found)
        except REFUSED as error:
            said = str(error)
    if query and not said:  # what a link says of the run counts more than what a file does
        session.state = from_link(query) if not given.found else session.state
    session.before = []
    return session, said


def draw(session: Session, token: str) -> None:
    """Draw the page of a session."""
    dark = ui.dark_mode(None)
    with box("studio-head", "header"):
        Said("ratewise studio", "h1")
        with box("studio-row"):
            look = Push("Light or dark: auto", lambda: turn())
            Copy("", "Copy the link", bare=True, link=True)

    def turn() -> None:
        now = next(i for i, (_, value) in enumerate(LOOKS) if value is dark.value)
        name, value = LOOKS[(now + 1) % len(LOOKS)]
        dark.set_value(value)
        look.say(f"Light or dark: {name}")

    with box("studio-main-grid", "main"):
        with box("studio-left"):
            shown: list[Any] = [ChartPanel(session), RunPanel(session)]
        with box("studio-card studio-right", "section", aria_label="Tools"):
            tabs({
                "Design": lambda: DesignPanel(session),
                "Read": lambda: ReadPanel(session, token),
                "Simulate": lambda: PlateauPanel(session),
                "Predict": lambda: PredictPanel(session),
                "Advice": lambda: AdvicePanel(session),
                "Code": lambda: CodePanel(session),
                "Follow": lambda: FollowPanel(session),
            }, shown, first="Follow" if session.journals else "Design")  # fmt: skip

    session.heard.append(lambda: [one.show() for one in shown])


def tabs(made: dict[str, Callable[[], Any]], shown: list[Any], first: str) -> None:
    """Draw tabs; what is behind one is made when it is opened first, and shown from then on."""
    bodies: dict[str, Any] = {}
    buttons: dict[str, Push] = {}
    waiting = dict(made)

    def open_one(name: str) -> None:
        for other, body in bodies.items():
            body.set_visibility(other == name)
            buttons[other].props["aria-selected"] = str(other == name).lower()
            buttons[other].update()
        if name in waiting:
            with bodies[name]:
                panel = waiting.pop(name)()
            shown.append(panel)
            panel.show()

    with box("studio-tabs", role="tablist", aria_label="Tools"):
        for name in made:
            buttons[name] = Push(name, partial(open_one, name))
            buttons[name].props["role"] = "tab"
    for name in made:
        bodies[name] = box("studio-panel", role="tabpanel", aria_label=name)
    open_one(first)
