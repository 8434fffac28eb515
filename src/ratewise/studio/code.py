"""What is worked on as code: for each framework what to paste into one's own script."""

from __future__ import annotations

from ratewise.convert.writing import TARGETS, write
from ratewise.schedule import ScheduleError
from ratewise.studio.state import StudioState

OWN = "ratewise"
"""The text itself, which every adapter takes."""


def targets() -> tuple[str, ...]:
    """Return what code can be written for."""
    return (OWN, *TARGETS)


def code(state: StudioState, target: str, *, approximate: bool = False) -> str:
    """Return what is worked on as code or config for a framework.

    Raises:
        ScheduleError: the framework cannot say it; the message tells what it can.

    >>> print(code(StudioState(), "ratewise"))
    import ratewise as rw
    <BLANKLINE>
    plan = rw.parse('Warmup("5%") >> Cosine(to=0.1)').resolve(10000)
    """
    if target != OWN:
        return write(state.at.value, target, total=state.run, approximate=approximate,
                     **state.units)  # fmt: skip
    units = [f", {name}={value:g}" for name, value in state.units.items() if value is not None]
    run = f"{state.total!r}{''.join(units)}"
    text = repr(state.at.value)
    lines = ["import ratewise as rw", "", f"plan = rw.parse({text!r}).resolve({run})"]
    if state.lr is not None:
        lines.append(f"peak = {state.lr!r}  # the rate at level 1")
    return "\n".join(lines)


def code_or_error(state: StudioState, target: str) -> tuple[str, str]:
    """Return the code for a framework and "", or "" and why there is none."""
    try:
        return code(state, target), ""
    except ScheduleError as error:
        return "", str(error)
