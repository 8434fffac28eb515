"""What people say or type out of habit is answered with what to write, and never misread."""

from __future__ import annotations

import re

import pytest

import ratewise as rw
from ratewise.schedule import ScheduleError
from ratewise.schedule.lengths import length
from ratewise.schedule.phrases import phrase


def refusal(text: str) -> str:
    with pytest.raises(ScheduleError) as caught:
        rw.parse(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("linear with warmup", 'Warmup("5%") >> Linear(to=0)'),
        ("linear warmup, cosine decay", 'Warmup("5%") >> Cosine(to=0)'),
        ("Linear warmup followed by cosine decay", 'Warmup("5%") >> Cosine(to=0)'),
        ("warmup 100 then cosine", "Warmup(100) >> Cosine(to=0)"),
        ("cosine decay to zero with 100 steps warmup", "Warmup(100) >> Cosine(to=0)"),
        ("warm-up 3% then constant", 'Warmup("3%") >> Hold()'),
        ("warmup cosine", 'Warmup("5%") >> Cosine(to=0)'),
        ("constant_with_warmup", 'Warmup("5%") >> Hold()'),
        ("constant then linear decay", 'Hold(over="50%") >> Linear(to=0)'),
        ("step decay", "Step("),
        ("reduce on plateau", "Plateau("),
        ("1cycle", "OneCycle()"),
        ("trapezoidal", "WSD("),
        ("poly", "Polynomial(to=0)"),
        ("inverse square root", "InverseSqrt(4000)"),
    ],
)
def test_a_phrase_is_answered_with_its_schedule(said: str, written: str) -> None:
    """A warm-up that is spoken of is in the answer, and what is to be written can be read."""
    message = refusal(said)
    assert f"write {written}" in message
    answer = re.search(r"write (.*?)(?:; how long|\.$|$)", message)
    assert answer is not None
    assert rw.parse(answer[1].rstrip("."))


@pytest.mark.parametrize("text", ["", "a nice one", "cosine of x", "warm welcome", "x" * 101, "5"])
def test_other_words_are_no_phrase(text: str) -> None:
    """One word that is not of schedules is enough to leave it."""
    assert phrase(text) == ""


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("Warmup(1,000) >> Cosine()", "write 1000, or 1, 000 with a space"),
        ("Warmup(12,500)", "write 12500"),
        ("Warmup(0,1)", "write 0.1, or 0, 1 with a space"),
        ("Cosine(0,05)", "write"),
    ],
)
def test_a_comma_inside_a_number_is_not_two_arguments(text: str, fix: str) -> None:
    """1,000 is a thousand to whoever types it, and 0,1 a tenth: neither is read as two numbers."""
    assert fix in refusal(text)


@pytest.mark.parametrize("text", ["Warmup(1, 5)", "Restarts(10,2)", "Step(0.1,at=(300,600))"])
def test_other_commas_stay_commas(text: str) -> None:
    """Arguments with a space, and lists, are what they were."""
    assert rw.parse(text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("1.000 updates", "write 1 updates or 1000 updates"),
        ("1.500 epochs", "write 1.5 epochs or 1500 epochs"),
        ("1,000 updates", "as 1000 updates"),
        ("0,5 %", "as 0.5 %"),
        ("2,5 epochs", "as 2.5 epochs"),
        ("5 iterations", 'write "5 updates"'),
        ("5 batches", 'write "5 updates"'),
        ("5 minutes", "minutes are no unit of a length"),
        ("5 epohcs", "did you mean epochs"),
    ],
)
def test_a_length_that_may_mean_two_things_is_refused(text: str, part: str) -> None:
    """Decimal commas, points between thousands and units of time are answered, never guessed."""
    with pytest.raises(ScheduleError) as caught:
        length("Warmup", "over", text)
    assert part in str(caught.value)


@pytest.mark.parametrize("text", ["0.500 epochs", "12.345%", "1.500k tokens", "1.5 epochs"])
def test_a_point_that_can_only_be_a_point_is_one(text: str) -> None:
    """Below one, in percent, before k or with other than three digits behind it."""
    assert length("Warmup", "over", text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("keras.optimizers.schedules.ExponentialDecay(1e-2, decay_steps=100, decay_rate=0.9)",
         "write ExponentialDecay(0.9, every=100)"),
        ("rw.Cosine(to=0)", "write Cosine(to=0)"),
    ],
)  # fmt: skip
def test_a_module_in_front_says_whose_name_it_is(text: str, part: str) -> None:
    """A name that we have too is theirs where their module stands in front."""
    assert part in refusal(text)
