"""A proof that is looked at after every seed, with one rate of error for all looks together."""

from __future__ import annotations

from dataclasses import dataclass

POWER = 3
"""Power of the spending function: most of the error is left for the last look."""


@dataclass(frozen=True)
class Looks:
    """When a comparison over seeds is looked at, and how sure each look has to be.

    After n of N seeds, from the second on, error spent so far is

        α*(n) = α · (n/N)³

    and a look is held at the level 1 − (α*(n) − α*(n−1)), with α*(1) = 0. By Bonferroni's
    inequality all looks hold together with a probability of 1 − α at least, whenever one stops.

    Args:
        seeds: N, the seeds that there may be, at least 1.
        level: 1 − α, in (0, 1).

    Source: Lan & DeMets 1983, Biometrika 70, on spending functions; Kim & DeMets 1987,
        Biometrika 74, on powers of the time.

    >>> looks = Looks(seeds=3, level=0.95)
    >>> [round(looks.level_at(n), 4) for n in (2, 3)]
    [0.9852, 0.9648]
    """

    seeds: int
    level: float

    def level_at(self, seeds: int) -> float:
        """Return the level of the look after so many seeds, in (0, 1)."""
        if self.seeds < 3:
            return self.level
        spent = [0.0 if n < 2 else (n / self.seeds) ** POWER for n in (seeds - 1, seeds)]
        return 1 - (1 - self.level) * (spent[1] - spent[0])
