"""A damaged config or record is refused in one error, whole, or it works."""

from __future__ import annotations

import json
import math
import random

import keras
import pytest

import ratewise as rw
from ratewise.adapters.keras.feedback import RecordedFeedback, TracedFeedback
from ratewise.keras import LearningRate
from tests.mutations import check_told, mutated, seeds

RATE = LearningRate(rw.Warmup("10%") >> rw.Cosine(to=0.1), lr=3e-4, total="2 epochs", epoch=50)
OTHER = LearningRate(rw.Repeat(rw.Linear(to=0), every=3) * 0.5, lr=1.0)
PLAN = rw.Warmup(2) >> rw.Plateau("loss", patience=0)
SHOWN = [(3, {"loss": 1.0, "acc": 0.1}), (6, {"loss": math.nan, "acc": 0.2}), (9, {"loss": 0.5})]


def test_a_damaged_config_is_refused_or_works():
    """As Keras hands it over when it loads a model."""
    strangers = [OTHER.get_config()]
    for seed in seeds(150):
        config = mutated(random.Random(f"config {seed}"), RATE.get_config(), strangers)
        try:
            rate = LearningRate.from_config(config)
        except rw.ScheduleError as error:
            check_told(error)
            continue
        rates = [rate(t) for t in range(5)]
        assert all(math.isfinite(one) and one >= 0 for one in rates)
        assert LearningRate.from_config(json.loads(json.dumps(rate.get_config()))) == rate


@pytest.mark.parametrize("config", [None, [], "text", 5, {1: 2}, {}, {"lr": 0.1}, object()])
def test_what_is_no_config_is_refused(config):
    """Keras would call the constructor with it."""
    with pytest.raises(rw.ScheduleError):
        LearningRate.from_config(config)


def test_a_saved_rate_is_read_back():
    """By Keras' own verbs."""
    config = keras.optimizers.schedules.serialize(RATE)
    again = keras.optimizers.schedules.deserialize(json.loads(json.dumps(config)))
    assert again == RATE


def heard(path):
    return RecordedFeedback({"lr": TracedFeedback(PLAN, 0.1, window=8)}, path)


def content(feedback):
    return repr((feedback.states(), feedback.record))


def test_a_damaged_record_is_refused_whole_or_works(tmp_path):
    """What was shown before stays what it was, and so does the file."""
    path, refused = tmp_path / "heard.jsonl", 0
    feedback = heard(path)
    feedback.begin(0)
    for t, logs in SHOWN:
        feedback.show(t, logs)
    lines = path.read_bytes()
    fresh = content(heard(path))
    for seed in seeds(150):
        path.write_bytes(spoilt := damaged(random.Random(f"record {seed}"), lines))
        feedback = heard(path)
        try:
            feedback.begin(9)
        except rw.ScheduleError as error:
            refused += 1
            check_told(error)
            assert content(feedback) == fresh
            assert path.read_bytes() == spoilt
            continue
        feedback.show(12, {"loss": 0.4, "acc": 0.3})
        values = [feedback.listeners["lr"].host(t) for t in range(10, 15)]
        assert all(math.isfinite(value) and value >= 0 for value in values)
    assert refused > len(seeds(150)) / 3


def damaged(rng, lines):
    if rng.random() < 0.4:
        spoilt = bytearray(lines)
        for _ in range(rng.choice([1, 1, 3])):
            spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
        return bytes(spoilt)
    rows = [json.loads(line) for line in lines.splitlines()]
    rows = mutated(rng, rows, [[{"update": 2, "metrics": {"loss": "x"}}]])
    rows = list(rows) if isinstance(rows, list) else [rows]
    text = "".join(json.dumps(row, default=str, skipkeys=True) + "\n" for row in rows if big(row))
    return text.encode()


def big(row):
    """Whether JSON can say it: Python writes no integer of more than 4,300 digits."""
    try:
        return json.dumps(row, default=str, skipkeys=True)
    except ValueError:
        return ""
