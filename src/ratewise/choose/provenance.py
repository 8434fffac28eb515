"""Where a choice comes from: what was asked, when, with which versions, and how long it took."""

from __future__ import annotations

import platform
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata

LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "peft", "lightning",
             "keras", "tensorflow", "jax", "optax", "accelerate", "ray")  # fmt: skip
"""What is named with its version where it is loaded."""

_MODULES = {"scikit-learn": "sklearn"}


@dataclass(frozen=True)
class Provenance:
    """Where a choice comes from.

    Args:
        task: What was trained, as its own `repr` says it, or its class.
        asked: The call of `choose`, as code.
        command: The command line, or "" where it was called from Python.
        begun: When it began, ISO 8601 with the zone.
        seconds: How long it took, without what a journal knew.
        versions: Python, ratewise, and the libraries that were loaded.
        machine: System and processor.
    """

    task: str
    asked: str
    command: str = ""
    begun: str = ""
    seconds: float = 0.0
    versions: dict[str, str] = field(default_factory=dict[str, str])
    machine: str = ""
    since: float = field(default=0.0, repr=False, compare=False)

    @classmethod
    def begin(cls, task: str, **asked: object) -> Provenance:
        """Return that of a choice that begins now.

        Args:
            task: What is trained.
            **asked: Arguments of `choose` that are not as without them.
        """
        told = ", ".join(f"{name}={value!r}" for name, value in asked.items() if value is not None)
        now = datetime.now(UTC).astimezone()
        call = f"choose(task, {told})"
        begun = now.isoformat(timespec="seconds")
        return cls(task, call, begun=begun, machine=_machine(), since=time.monotonic())

    def ended(self) -> Provenance:
        """Return the same with how long it took, and with what."""
        seconds = round(time.monotonic() - self.since, 3)
        return replace(self, seconds=seconds, versions=versions())


def versions() -> dict[str, str]:
    """Return the versions of Python, of ratewise and of the libraries that are loaded."""
    found = {"Python": platform.python_version()}
    for name in ("ratewise", *LIBRARIES):
        if _MODULES.get(name, name) in sys.modules:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:  # run from its sources, or under another name
                continue
    return found


def _machine() -> str:
    parts = platform.system(), platform.release().split("-")[0], platform.machine()
    return " ".join(filter(None, parts))
