"""What one sign is: something that a curve shows, in a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from ratewise.logs.curve import Curve

GO_ON = ("flat", "one_rate")
"""Signs of runs that may go on as they did, though they tell nothing of other schedules."""


@dataclass(frozen=True)
class Sign:
    """Something that a curve shows.

    Args:
        kind: A stable word: see the table of `read_signs`.
        sentence: What was seen, with its numbers.
        advice: What to do about it, or "".
        stops: Whether no schedule can be ranked by such a run.
    """

    kind: str
    sentence: str
    advice: str = ""
    stops: bool = False

    @property
    def blinds(self) -> bool:
        """Whether not even the end of the run itself is foreseen, were it to go on as it did.

        A loss that stands still and a rate that stays the same stop a ranking alone.
        """
        return self.stops and self.kind not in GO_ON

    def __str__(self) -> str:
        return f"{self.sentence}; {self.advice}" if self.advice else self.sentence


def called(run: Curve) -> str:
    """Return how a sentence about a run begins: with its name, if it has one."""
    return f"{run.name}: " if run.name else ""
