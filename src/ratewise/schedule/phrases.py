"""Schedules as people say them, `linear warmup, cosine decay`, and what is written for them."""

from __future__ import annotations

import re

LONGEST = 100
"""Characters of what is taken for a phrase."""
_WORDS = re.compile(r"[a-z]+|\d[\d_.]*(?:e[+-]?\d+)?\s?%?|\d+cycle")
_PLAIN = re.compile(r"[\w\s,.;%+&/→-]+")
_SHAPES: dict[str, str] = {
    **dict.fromkeys(("cosine", "cos"), "Cosine(to=0)"),
    **dict.fromkeys(("linear", "linearly"), "Linear(to=0)"),
    **dict.fromkeys(("exponential", "exp"), "Exponential(to=0.01)"),
    **dict.fromkeys(("polynomial", "poly"), "Polynomial(to=0)"),
    **dict.fromkeys(("constant", "flat", "hold", "fixed", "stable"), "Hold()"),
    **dict.fromkeys(("step", "steps", "multistep", "staircase"), 'Step(0.1, every="30%")'),
    **dict.fromkeys(("plateau",), 'Plateau("val_loss", factor=0.1, patience=10)'),
    **dict.fromkeys(("sqrt", "rsqrt", "root"), "InverseSqrt(4000)"),
    **dict.fromkeys(("triangular", "cyclic"), "Cyclic(0.1, 2000)"),
    **dict.fromkeys(("restarts", "restart", "sgdr"), 'Restarts("20%")'),
    **dict.fromkeys(("cycle", "onecycle", "cycles"), "OneCycle()"),
    **dict.fromkeys(("trapezoidal", "trapezoid", "wsd"), 'WSD("5%", decay="20%")'),
}
"""What a word says; of several the last counts, but for those in `_WHOLE`."""
_WHOLE = (
    *("trapezoidal", "trapezoid", "wsd", "onecycle"),
    *("restarts", "restart", "sgdr", "plateau"),
)
_KNOWN = {
    *_SHAPES,
    *("warmup", "warm", "warmed", "ramp", "up", "decay", "annealing", "anneal"),
    *("with", "then", "and", "to", "lr", "learning", "rate", "schedule", "scheduler", "on"),
    *("of", "a", "the", "one", "inverse", "square", "reduce", "updates", "steps", "epochs", "from"),
    *("over", "zero", "for", "in", "by", "followed", "half", "cooldown", "down", "cool"),
}


def phrase(text: str) -> str:
    """Return what to write for a phrase; "" where a word of it is not one of schedules.

    >>> phrase("linear warmup, cosine decay")
    'write Warmup("5%") >> Cosine(to=0); how long the warm-up is you know'
    >>> phrase("warmup 100 then cosine"), phrase("a nice one")
    ('write Warmup(100) >> Cosine(to=0)', '')
    """
    spoken = text.strip().lower().replace("1cycle", "onecycle").replace("_", " ")
    if not spoken or len(spoken) > LONGEST or not _PLAIN.fullmatch(spoken):
        return ""
    words = _WORDS.findall(re.sub(r"(?<=\d)\s+(?:steps?|updates?)\b", " ", spoken))
    letters = [word for word in words if word[0].isalpha()]
    if not {*letters} <= _KNOWN:
        return ""
    warms = [i for i, word in enumerate(words) if word.startswith("warm") or word == "ramp"]
    shape = _shape(words, warms)
    if not shape or not warms or shape.startswith(("WSD", "OneCycle")):
        return f"write {shape}" if shape else ""
    near = [words[i] for at in warms for i in _around(at, words) if words[i][0].isdigit()]
    length = near[0].replace(" ", "") if near else "5%"
    known = f'"{length}"' if length.endswith("%") else length
    note = "" if near else "; how long the warm-up is you know"
    return f"write Warmup({known}) >> {shape}{note}"


def _around(at: int, words: list[str]) -> list[int]:
    """Return the places behind a word and in front of it, the nearest first."""
    return [i for i in (at + 1, at + 2, at + 3, at - 1, at - 2) if 0 <= i < len(words)]


def _shape(words: list[str], warms: list[int]) -> str:
    """Return the shape behind the warm-up, if there is one; a linear warm-up is none."""
    said = [i for i, word in enumerate(words) if word in _SHAPES]
    beside = {i for at in warms for i in (at - 1, at + 1) if i in said}
    if warms and len(said) > 1:
        said = [i for i in said if i not in beside or i != min(said)]
    shapes = [_SHAPES[words[i]] for i in said]
    whole = next((words[i] for i in said if words[i] in _WHOLE), "")
    if whole or not said:
        return _SHAPES[whole] if whole else "Hold()" if warms else ""
    held = 'Hold(over="50%") >> ' if shapes[0] == "Hold()" != shapes[-1] else ""
    return held + shapes[-1]
