"""The text, dict and JSON forms, and what they refuse."""

from __future__ import annotations

import json
import sys
import threading

import pytest

import ratewise as rw

GOOD = [
    ("Warmup(500) >> Cosine(to=0.1)", rw.Warmup(500) >> rw.Cosine(to=0.1)),
    ("Warmup('5%') >> Hold() >> Sqrt(to=0, over='20%')",
     rw.Warmup(0.05) >> rw.Hold() >> rw.Sqrt(to=0, over=0.2)),
    ("Step(0.1, at=[30, 60])", rw.Step(0.1, at=(30, 60))),
    ("Step(0.5, every='2 epochs')", rw.Step(0.5, every="2 epochs")),
    ("Piecewise({0: 1, '50%': 0.1}, shape='linear')",
     rw.Piecewise({0: 1, "50%": 0.1}, shape="linear")),
    ("Repeat(Cosine(to=0), every='2 epochs', grow=2)", rw.Repeat(rw.Cosine(), "2 epochs", 2)),
    ("(Cosine() * 0.5).clip(0.01, 1)", (rw.Cosine() * 0.5).clip(0.01, 1)),
    ("0.5 * Cosine()", rw.Cosine() * 0.5),
    ("Cosine() * (Hold(2) * 0.5)", rw.Cosine() * (rw.Hold(2) * 0.5)),
    ("Plan(lr=Cosine(), groups={'head': Hold()}, peak={'lr': 3e-4})",
     rw.Plan(lr=rw.Cosine(), groups={"head": rw.Hold()}, peak={"lr": 3e-4})),
    ("Plan(momentum=Linear(to=0.9), keys={'betas[1]': Hold()})",
     rw.Plan(momentum=rw.Linear(to=0.9), keys={"betas[1]": rw.Hold()})),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), GOOD)
def test_reads_what_users_write(text, value):
    """The text form reads as the same value as Python code, and so does its repr."""
    assert rw.parse(text) == value
    assert rw.parse(repr(value)) == value
    assert eval(repr(value), vars(rw)) == value
    assert rw.from_dict(json.loads(json.dumps(value.to_dict()))) == value


BAD = [
    ("Warmpu(5)", "did you mean Warmup"),
    ("Cosine(too=0.1)", "did you mean to"),
    ("Cosine", "write Cosine(to=0)"),
    ("Cosine() + 1", "operator other than >> and *"),
    ("Cosine() >> 0.5", "not a schedule"),
    ("2 * 3", "not schedules"),
    ("Cosine() * '2'", "no number"),
    ("Cosine().values(3)", "calls .values"),
    ("Cosine().clp(3)", "did you mean clip"),
    ("Cosine().until(at=3)", "it takes over"),
    ("WSD(warmup=1, decoy=2)", "it takes warmup"),
    ("Cosine(*[1])", "write them out"),
    ("Cosine(**{'to': 1})", "write them out"),
    ("__import__('os').system('true')", "not a name of ratewise"),
    ("open('x')", "not a name of ratewise"),
    ("[Cosine() for x in (1,)]", "not part of the language"),
    ("lambda: 1", "not part of the language"),
    ("Cosine(to=f'{1}')", "not part of the language"),
    ("Cosine(to=1 if True else 2)", "not part of the language"),
    ("Function(abs)", "cannot be read from text"),
    ("Cosine(", "not an expression"),
    ("", "not an expression"),
    ("3", "found no schedule"),
    ("Cosine(to=True)", "needs to in [0, inf)"),
    ("Cosine(to=1e999)", "needs to in [0, inf)"),
    ("Cosine(to=-1)", "needs to in [0, inf)"),
    ("Hold(9" + "9" * 400 + ")", "needs level in [0, inf)"),
    ("Hold(1, over=9" + "9" * 400 + ")", "needs over"),
    ("Hold() >> Cosine()", "both leave their length out"),
    ("Piecewise({0: 1, 0: 2})", "twice"),
    ("Step(0.1)", "exactly one of at= and every="),
    ("Step(0.1, at=5, every=5)", "exactly one of at= and every="),
    ("Warmup(1.0)", "share as"),
    ("Warmup('5')", "share as"),
    ("Warmup('3 epok')", "did you mean epochs"),
    ("Warmup('120%')", "share"),
    ("Repeat(Cosine(), every=0)", "every of 1 or more"),
    ("Repeat(Cosine(), every=5, times=0)", "times"),
    ("Plan()", "schedules nothing"),
    ("Plan(lr=3)", "needs a schedule"),
    ("Plan(lr=Cosine(), peak={'momentum': 0.9})", "not scheduled"),
    ("x" * 1_000_000, "1,000,000 characters"),
    ("(" * 10_000, "10,000 nested brackets"),
    ("[" * 10_000 + "]" * 10_000, "nested brackets"),
    ("-" * 50_000 + "1", "not"),
    ("Hold(1, over=1)" + " >> Hold(1, over=1)" * 5_000, "not an expression that can be read"),
    ("Cosine()\x00", "not an expression"),
]


@pytest.mark.parametrize(("text", "part"), BAD, ids=range(len(BAD)))
def test_refuses_in_one_grammar(text, part):
    """Whatever is wrong with a text, it is one ScheduleError that says so and what to write."""
    with pytest.raises(rw.ScheduleError) as caught:
        rw.parse(text)
    message = str(caught.value)
    assert part in message
    assert ": " in message
    assert message.endswith(".")
    assert len(message) < 500


def test_hostile_texts_are_refused_in_small_stacks():
    """Nesting cannot overflow the stack, not even in a thread with a small one."""
    results = []

    def work():
        for text in (
            "(" * 99 + "Cosine()" + ")" * 99,
            "(" * 10_000,
            "Hold() * 1" + " * 1" * 20_000,
        ):
            try:
                results.append(rw.parse(text))
            except rw.ScheduleError as error:
                results.append(error)

    size = threading.stack_size(512 * 1024)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    threading.stack_size(size)
    assert results[0] == rw.Cosine()
    assert isinstance(results[1], rw.ScheduleError)
    assert len(results) == 3


FORMS = [
    ({"ratewise": 2, "type": "Cosine"}, "upgrade ratewise"),
    ({"ratewise": "1", "type": "Cosine"}, "version"),
    ({"ratewise": 1}, "has type None"),
    ({"type": "Cosin"}, "did you mean Cosine"),
    ({"type": "Cosine", "too": 1}, "did you mean to"),
    ({"type": "Cosine", "to": float("nan")}, "needs to in [0, inf)"),
    ({"type": "Function", "f": "abs"}, "cannot be read"),
    ({"type": "Sequence", "moves": []}, "holds no schedule"),
    ({"type": "Sequence", "moves": [{"type": "Hold"}, 3]}, "give schedules only"),
    ({"type": "Scale", "schedule": {"type": "Hold"}, "factor": -1}, "needs factor"),
    ([], "needs a dict"),
]


@pytest.mark.parametrize(("form", "part"), FORMS)
def test_dicts_are_refused_by_name(form, part):
    """A dict form that is wrong or newer is one ScheduleError."""
    with pytest.raises(rw.ScheduleError) as caught:
        rw.from_dict(form)
    assert part in str(caught.value)


def test_deep_and_broken_json_is_refused():
    """JSON that is cut, or nested beyond reason, is one ScheduleError."""
    deep = '{"type": "Scale", "factor": 1, "schedule": ' * 500 + "1" + "}" * 500
    very_deep = "[" * (sys.getrecursionlimit() * 100)
    for text in (rw.Cosine().to_json()[:-3], deep, very_deep, "NaN", ""):
        with pytest.raises(rw.ScheduleError):
            rw.from_json(text)


def test_a_function_says_that_it_cannot_be_written():
    """A Function works everywhere but where it would have to be written down."""
    s = rw.Warmup(5) >> rw.Function(lambda t: 1 / (t + 1), over=10)
    assert s(6) == 0.5
    for write in (s.to_dict, s.to_json):
        with pytest.raises(rw.ScheduleError, match="cannot be written down"):
            write()
