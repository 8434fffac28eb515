"""Advice by rules with sources: from facts to schedules, and named recipes."""

from ratewise.choose.advice.advising import Advice, advise
from ratewise.choose.advice.facts import Facts
from ratewise.choose.advice.recipes import recipe, recipes

__all__ = ["Advice", "Facts", "advise", "recipe", "recipes"]
