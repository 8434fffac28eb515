"""What the launcher asks of the processes that it starts, through their environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ASKED = "RATEWISE_RUN"
"""Environment variable that holds a request as JSON."""

SITE = Path(__file__).with_name("startup")
"""What goes first on the path of a process that is started."""


@dataclass(frozen=True)
class LaunchRequest:
    """A schedule for whatever loop is found.

    Args:
        plan: The plan's dict form.
        text: The schedule as it was typed, for messages.
        said: File to which a process adds a line for each loop that it attached to.
        options: What `attach` takes beside the schedule: total, epoch, resume, …
    """

    plan: dict[str, Any]
    text: str
    said: str
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    def environment(self, before: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a process that is to attach."""
        paths = [str(SITE), *filter(None, [before.get("PYTHONPATH")])]
        asked = json.dumps(asdict(self))
        return {**before, "PYTHONPATH": os.pathsep.join(paths), ASKED: asked}

    @staticmethod
    def found(environment: Mapping[str, str]) -> LaunchRequest | None:
        """Return what is asked of this process, or None."""
        asked = environment.get(ASKED)
        return None if asked is None else LaunchRequest(**json.loads(asked))
