"""The studio: a local page to design a schedule by hand, with what is known laid beside it.

The page is thin. What it shows is one frozen value (`state`), every change to it is a function of
that value, and what is drawn of it are plain numbers (`figure`), which come from `schedule.values`
as in training. Whatever is typed, pasted, dropped or linked to is read by the readers of the other
rooms: nothing is evaluated, no file is opened that was not given, and the answer to what cannot
be read is a `ScheduleError`.
"""

from ratewise.studio.link import from_link, to_link
from ratewise.studio.state import Drawing, StudioState

__all__ = ["Drawing", "StudioState", "from_link", "to_link"]
