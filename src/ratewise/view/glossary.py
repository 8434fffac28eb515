"""The words of a report, explained where somebody points at them."""

from __future__ import annotations

import re
from html import escape

GLOSSARY = {
    "update": "One committed change of the weights by the optimizer: not a batch, and not a call "
    "of step().",
    "peak": "The learning rate at level 1 of a schedule. All other rates are shares of it.",
    "level": "What a schedule multiplies the peak by, at an update.",
    "warm-up": "The first updates, in which the rate climbs to the peak.",
    "wsd": "Warmup, stable, decay: climb to the peak, stay there, and fall at the end.",
    "cooldown": "The end of a run, in which the rate falls.",
    "seed": "The number that random numbers come from: initial weights, the order of the data. "
    "Runs of one seed see the same.",
    "noise": "What differs between runs that differ by nothing but their seed.",
    "within noise": "So close together that chance alone would put them as far apart.",
    "gain": "By how much the best that was found ends better than the task's own settings, each "
    "seed against the same seed.",
    "own settings": "What the task does of its own accord: its optimizer and its schedule as they "
    "stand.",
    "regret": "How far the metric of a choice lies behind the best that could have been chosen.",
    "updates to": "After how many updates the mean of the last training losses has come down to "
    "that loss for the first time.",
    "range test": "Raise the rate until training breaks, to see where it learns: a few updates at "
    "each rate.",
    "probes": "The first runs, from which is learned what the others may come to.",
    "expected": "What a Gaussian process says, from the runs that are finished, that another would "
    "end at; with one standard deviation.",
    "trunk": "Updates that several runs have in common, trained once for all of them.",
    "fork": "Where runs that were the same until then go different ways.",
    "budget": "The updates that might be trained in all.",
    "± sd": "Standard deviation over the seeds.",
    "behind by": "How much worse than the best, paired by seed, with its interval.",
}
"""Words and what they mean, in the order in which they are told."""

_ENDINGS = {"update": "updates?", "peak": "peaks?", "seed": "seeds?", "fork": "forks?",
            "level": "levels?", "trunk": "trunks?", "cooldown": "cooldowns?",
            "warm-up": "warm-ups?", "own settings": "own settings"}  # fmt: skip
_WORD = re.compile(
    r"(?<![\w-])(?:"
    + "|".join(
        f"(?P<w{place}>{_ENDINGS.get(word, re.escape(word))})"
        for place, word in sorted(enumerate(GLOSSARY), key=lambda one: -len(one[1]))
    )
    + r")(?![\w-])"
)
_WORDS = list(GLOSSARY)


def with_terms(text: str, tip: str = "data-tip") -> str:
    """Return a text of a page in which every term, the first time, says what it means.

    Args:
        text: HTML without tags: a text that is escaped.
        tip: Attribute that holds the meaning: "title" where no script shows it.
    """
    told: set[str] = set()

    def explained(match: re.Match[str]) -> str:
        word = _WORDS[int(str(match.lastgroup)[1:])]
        if word in told:
            return match.group(0)
        told.add(word)
        meaning = escape(GLOSSARY[word])
        return f'<dfn tabindex="0" {tip}="{meaning}">{match.group(0)}</dfn>'

    return _WORD.sub(explained, text)
