"""Damaged texts of schedules: read as what they say, or refused."""

from __future__ import annotations

import ratewise as rw
from tests.fuzz.tool import Tally, cases, damaged

TEXTS = [
    "Hold()",
    'Warmup("5%") >> Cosine(to=0.1)',
    'Warmup(500) >> Hold() >> Sqrt(to=0, over="20%")',
    'Warmup("2 epochs", start=0.1) >> Linear(to=0) * 0.5',
    'Repeat(Cosine(to=0), every="2 epochs", grow=2)',
    'Warmup(500) >> Plateau(metric="val_loss", patience=3, factor=0.5)',
    "Piecewise({0: 1, 100: 0.5, 200: 0.1})",
    '(Hold(0.5, over=10) >> Exponential(to=1e-3, over="1M tokens")).clip(0.01, 1.0)',
    "Steps([100, 200], factor=0.1)",
    'Plan(lr=Warmup(5) >> Cosine(), groups={"head": Hold(0.1)}, peak={"lr": 3e-4}, notes=["a"])',
]


def check(text: str) -> None:
    made = rw.parse(text)
    again = rw.parse(repr(made))
    assert again == made or repr(again) == repr(made)


def test_damaged_texts() -> None:
    """What is read has a text that is read as the same."""
    tally = Tally("texts")
    for source in cases("texts"):
        text = damaged(source.choice(TEXTS), source, TEXTS)
        tally.attack(text, lambda text=text: check(text))
    tally.close()
