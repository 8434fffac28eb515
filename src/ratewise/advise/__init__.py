"""Advice by rules with sources: from facts to schedules, and named recipes."""

from ratewise.advise.api import Advice, advise
from ratewise.advise.facts import Facts
from ratewise.advise.recipes import recipe, recipes

__all__ = ["Advice", "Facts", "advise", "recipe", "recipes"]
