"""Rules as data: what to do, when, by whose word, and whom it contradicts."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from ratewise.advise.facts import Facts

TABLES = ("shapes", "peaks", "practice")
STRENGTHS = ("measured", "theory", "convention", "default")
WORDS = {
    "batch_before": "the batch before",
    "kind": "the kind of model",
    "total": "the number of updates",
    "trials": "the number of runs",
    "seen": "what was seen",
    "examples": "the number of examples",
}


@dataclass(frozen=True)
class Rule:
    """A rule of choosing, as its table in `tables/` says.

    Args:
        id: Its name.
        when: Conditions by fact: a list of words, one of which fits; true for a number that is
            given; bounds of a number, `{at_least: 10, below: 25}`; `{except: […]}`.
        then: What to do.
        numbers: The numbers behind it, as text.
        source: Who says so.
        strength: "measured", "theory", "convention" or "default" (of a library).
        conflicts: Ids of rules that say otherwise.
        shape: What follows the warm-up, as text; for rules that name one.
        warmup: Length of the warm-up, 0 for none, "beta2" for 2/(1 - beta2) updates.
        peak: Peak rate.
        scale: "linear" or "sqrt": how the peak follows the batch.
    """

    id: str
    when: Mapping[str, Any] = field(hash=False)
    then: str
    numbers: str
    source: str
    strength: str
    conflicts: tuple[str, ...]
    shape: str | None = None
    warmup: int | str | None = None
    peak: float | None = None
    scale: str | None = None

    @property
    def rank(self) -> tuple[int, int, str]:
        """What comes first: the more specific rule, then better evidence."""
        return (-self.weight, STRENGTHS.index(self.strength), self.id)

    @property
    def weight(self) -> int:
        """How specific it is: conditions count 1, the task 2, an exception nothing."""
        count = {name: int(not _is_exception(rule)) for name, rule in self.when.items()}
        return sum(count.values()) + ("task" in count)

    def why(self, facts: Facts) -> str | None:
        """Return why the rule fits the facts, as text, or None if it does not."""
        reasons = [_reason(name, rule, getattr(facts, name)) for name, rule in self.when.items()]
        if any(reason is None for reason in reasons):
            return None
        return ", ".join(str(reason) for reason in reasons) or "it holds for every run"

    def condition(self) -> str:
        """Return the conditions as text."""
        parts = [_condition(name, rule) for name, rule in self.when.items()]
        return "; ".join(parts) or "always"


@dataclass(frozen=True)
class Fitting:
    """A rule that fits, and why.

    Args:
        rule: The rule.
        why: Which facts made it fit.
    """

    rule: Rule
    why: str


@cache
def rules() -> dict[str, Rule]:
    """Return all rules by id, in the order of their tables."""
    read: dict[str, Rule] = {}
    for name in TABLES:
        text = (files("ratewise.advise") / "tables" / f"{name}.toml").read_text(encoding="utf-8")
        for key, table in tomllib.loads(text).items():
            table["conflicts"] = tuple(table["conflicts"])
            read[key] = Rule(id=key, **table)
    return read


def _is_exception(rule: Any) -> bool:
    return isinstance(rule, dict) and "except" in rule


def _reason(name: str, rule: Any, value: Any) -> str | None:
    word = WORDS.get(name, f"the {name}")
    if isinstance(rule, list):
        if name != "seen":
            return f"{word} is {value}" if value in rule else None
        signs = sorted(set(rule) & set(value))
        return f"{word}: {', '.join(signs)}" if signs else None
    if value is None:
        return None
    if rule is True:
        return f"{word} is {value:,}"
    if "except" in rule:
        return f"{word} is {value}" if value not in rule["except"] else None
    inside = rule.get("at_least", value) <= value and ("below" not in rule or value < rule["below"])
    return f"{word} is {value:,}" if inside else None


def _condition(name: str, rule: Any) -> str:
    word = name.replace("_", " ")
    if isinstance(rule, list):
        return f"{word}: {' or '.join(map(str, rule))}"  # pyright: ignore[reportUnknownVariableType]
    if rule is True:
        return f"{word} given"
    if "except" in rule:
        return f"{word}: not {' or '.join(rule['except'])}"
    low, high = rule.get("at_least"), rule.get("below")
    bounds = [*([f"{low:,} or more"] if low else []), *([f"below {high:,}"] if high else [])]
    return f"{word}: {', '.join(bounds)}"
