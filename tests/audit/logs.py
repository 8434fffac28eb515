"""Logs that others have published, with what a check by hand says of each.

They are not part of the package. They are looked for beside the checkout, or in the folder that
RATEWISE_TRAINER_LOGS names.
"""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from ratewise.audit.health import Finding, health
from ratewise.audit.inference import Inferred, infer
from ratewise.audit.recorded import Recorded, recorded

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(
    os.environ.get("RATEWISE_TRAINER_LOGS", ROOT.parent / "shared" / "data" / "trainer_logs")
)


@dataclass(frozen=True)
class Known:
    """What is known of a log.

    Args:
        number: Its number.
        schedule: What it shows, in words.
        planned: Updates that its run was planned for.
        peak: The peak rate, None where it was not reached.
        convention: "this", "next", or "" where either or nothing is said.
    """

    number: int
    schedule: str
    planned: int
    peak: float | None
    convention: str

    @property
    def shape(self) -> str:
        """The family."""
        if "never leaves" in self.schedule:
            return "warm-up only"
        return self.schedule.split(maxsplit=1)[0].rstrip(";")

    @property
    def warmup(self) -> tuple[int, int]:
        """Between which updates the warm-up ends."""
        found = re.search(r"warm-up (?:about )?(\d+)(?:-(\d+))?", self.schedule)
        low = int(found[1]) if found else 0
        return low, int(found[2] or low) if found else 0

    @property
    def skips(self) -> bool:
        """Whether updates were skipped."""
        return "skipped" in self.schedule or "shift" in self.schedule

    def log(self, told: bool = True) -> Recorded:
        """The log, with the length that its run was planned for or without."""
        found = recorded(FOLDER / f"log{self.number:02d}.csv")
        return replace(found, total=self.planned if told else None)


@cache
def found_in(one: Known, told: bool = True) -> Inferred:
    """Return what is inferred of a log, once."""
    return infer(one.log(told))


@cache
def health_of(one: Known) -> tuple[Finding, ...]:
    """Return what a log shows, once."""
    return health(one.log())


def is_there() -> bool:
    """Whether the logs are here."""
    return (FOLDER / "index.csv").is_file()


@cache
def known() -> tuple[Known, ...]:
    """Return what is known of all logs; nothing where they are not here."""
    if not is_there():
        return ()
    with (FOLDER / "index.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(_known(row) for row in csv.DictReader(lines))


def _known(row: dict[str, str]) -> Known:
    said = row["rate_logged_is_of"].partition(" ")[0]
    return Known(
        number=int(row["number"]),
        schedule=row["schedule"],
        planned=int(row["max_steps"]),
        peak=float(row["peak"]) if row["peak"] else None,
        convention=said if said in ("this", "next") else "",
    )


def markdown() -> str:
    """Return a table of what is said of each log."""
    head = "| log | by hand | found | rate beside step k | notes and findings |"
    lines = [head, "|---|---|---|---|---|"]
    for one in known():
        found = found_in(one)
        said = [*found.notes, *(f"**{each.kind}**: {each.sentence}" for each in health_of(one))]
        hand = f"{one.schedule}; peak {one.peak:g}" if one.peak else one.schedule
        told = {"this": "just used", "next": "to come", "unknown": "cannot be told"}
        cells = (str(one.number), hand, _found(found), told[found.convention],
                 ". ".join(each[:1].upper() + each[1:] for each in said))  # fmt: skip
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _found(found: Inferred) -> str:
    fits = "exact" if found.exact else f"off by {found.misfit:.1%}"
    others = ", ".join(one.family for one in found.alternatives)
    as_well = f"; {others} as well" if others else ""
    return f"{found.family}, `{found.spec}` ({fits}{as_well})"
