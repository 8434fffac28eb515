"""Names and arguments of other libraries are answered with what to write, and that is right."""

from __future__ import annotations

import ast
import importlib
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert.table import RATE, TOTAL, Row
from ratewise.schedule.foreign import ARGUMENTS, NAMES, call
from ratewise.schedule.foreign_calls import Instead, Verbatim
from tests.convert.oracles import live, optimizer
from tests.costs import SECOND, cost

os.environ.setdefault("KERAS_BACKEND", "jax")


def refusal(text: str) -> str:
    with pytest.raises(rw.ScheduleError) as caught:
        rw.parse(text)
    return str(caught.value)


ANSWERS = [
    ("cosine", "write Cosine(to=0)"),
    ("Cosine", "write Cosine(to=0)"),
    ("linear", "write Linear(to=0)"),
    ("constant", "write Hold()"),
    ("polynomial", "to = 1e-07 / lr"),
    ("reduce_lr_on_plateau", 'write Plateau("val_loss"'),
    ("wsd", "write WSD("),
    ("one_cycle", "write OneCycle()"),
    ("Warmup", "write Warmup(500) >> Cosine(to=0)"),
    ("CosineAnnealingLR(T_max=100)", "write Cosine(to=0, over=100)"),
    ("CosineAnnealingLR(optimizer, 100)", "write Cosine(to=0, over=100)"),
    ("torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=9)", "write Cosine(to=0, over=9)"),
    ("CosineAnnealingLR(T_max=n * 2)", "write Cosine(to=0, over=n * 2)"),
    ("CosineAnnealingLR(T_max=100, eta_min=1e-5)", "to = 1e-05 / lr"),
    ("OneCycleLR(max_lr=0.1, total_steps=9, pct_start=0.2)", "write OneCycle(0.2)"),
    ("StepLR(step_size=30, gamma=.1)", "write Step(0.1, every=30)"),
    ("LambdaLR(lambda t: 1)", "write Function(lambda t: 1)"),
    ("ReduceLROnPlateau(min_lr=1e-6)", "floor = 1e-06 / lr"),
    ("ReduceLROnPlateau(monitor='loss', patience=3)", 'counting="keras"'),
    ("CosineAnealingLR(T_max=3)", "did you mean CosineAnnealingLR"),
    ("StepLR(30, warp=3)", "warp not counted in"),
    ("Warmup(5%)", "quote it: Warmup('5%')"),
    ("Warmup(3 epochs) >> Cosine(over='5%')", "quote it: Warmup('3 epochs') >> Cosine(over='5%')"),
    ("Warmup(5%) >> Hold(over=", "write a schedule such as"),
    ("lr_scheduler_type='cosine', warmup_steps=50", "write Warmup(50) >> Cosine(to=0)"),
    ("'cosine', warmup_steps=50", "write Warmup(50) >> Cosine(to=0)"),
    ("'cosine'", "write Cosine(to=0)"),
    ("cosine, warmup_ratio=0.1", 'write Warmup("10%") >> Cosine(to=0)'),
    ("--lr_scheduler_type cosine --warmup_ratio 0.1", 'write Warmup("10%") >> Cosine(to=0)'),
    ("warmup_ratio=0.1", 'write Warmup("10%") >> Linear(to=0)'),
    ("T_max=100", "write over=100"),
    ("WSD(warmup_steps=5, decay=9)", "write warmup=5"),
    ("Cosine(T_max=100)", "write over=100"),
    ("x=Cosine()", "write a schedule such as"),
    (
        "ExponentialDecay(1e-3, 100, 0.9)",
        "if it is that of Keras, write ExponentialDecay(0.9, every=100)",
    ),
    (
        "ExponentialDecay(1e-3, 100, 0.9, True)",
        "write ExponentialDecay(0.9, every=100, staircase=True)",
    ),
    ("ExponentialDecay(0.5, gamma=0.9)", "write ExponentialDecay(0.9)"),
    ("InverseTimeDecay(0.5, gamma=0.9)", "a name of Paddle: write InverseTime(0.9)"),
    ("InverseTimeDecay(1e-3, 100, 0.9)", "a name of Keras: write InverseTime(0.9, every=100)"),
    ("exponential_decay(step_size=1, decay_steps=9, decay_rate=0.5)", "a name of JAX"),
    ("exponential_decay(1e-3, 0.9)", "a name of MLX: write ExponentialDecay(0.9)"),
    ("paddle.optimizer.lr.NoamDecay(d_model=512, warmup_steps=4000)", "write Noam(4000, 512)"),
    ("mx.lr_scheduler.FactorScheduler(100, 0.5)", "write Step(0.5, every=100)"),
    ("WarmupLR(warmup_num_steps=9)", 'write Warmup(9, shape="log") >> Hold()'),
    ("OneCycle(cycle_min_lr=1e-4, cycle_max_lr=1e-3)", "write Linear(to=1, over=2000, start=0.1)"),
    ("CosineLRScheduler(opt, t_initial=9, lr_min=1e-5)", 'over="9 epochs"'),
    ("SchedulerType.COSINE", "write Cosine(to=0)"),
    ("rw.Cosine(to=0.1)", "write Cosine(to=0.1)"),
    ("rw.Warmup(5) >> rw.Cosine(to=0.1)", "write Warmup(5)"),
    ("ratewise.schedule.Rex()", "write Rex()"),
    ("rw.Cosine", "write Cosine(to=0)"),
    ("cosine(to=0.1)", "write Cosine(to=0.1)"),
    ("warmup(over=5)", "write Warmup(over=5)"),
    ("get_scheduler('cosine', optimizer, 5, 100)", "write Warmup(5) >> Cosine(to=0)"),
    ("get_scheduler(name='linear', num_warmup_steps=5)", "write Warmup(5) >> Linear(to=0)"),
    (
        "LinearWarmupCosineAnnealingLR(optimizer, 5, 100)",
        'write Warmup("5 epochs", start=0) >> Cos',
    ),
    ("optax.cosine_decay_schedule", "write Cosine(to=0, over=1000); decay_steps=1000 is an exam"),
    ("CosineAnnealingLR(T_max=9, eta_min=1e-5)", "so Cosine(to=0.01, over=9) for lr=0.001"),
    ("CosineAnnealingLR(T_max=9, eta_min=0.01)", "so Cosine(to=0.1, over=9) for lr=0.1"),
    ("cosine with warmup", 'write Warmup("5%") >> Cosine(to=0)'),
    ("lr_scheduler: cosine, warmup_steps: 9", "write Warmup(9) >> Cosine(to=0)"),
    ("{'type': 'CosineAnnealingLR', 'T_max': 9}", "write Cosine(to=0, over=9)"),
    ("warmup", "write Warmup(500) >> Cosine(to=0)"),
    ("linear_schedule(1, 0, 9, 5, 7)", "7 not counted in"),
    ("Cosin(to=1)", "did you mean Cosine."),
    ("Warmup(num_warmup_steps=9)", "write Warmup(9);"),
    ("Warmup(steps=9)", "write over=9"),
    ("WSD(warmup_steps=5)", "write warmup=5"),
    ("dict(type='LinearLR', start_factor=0.1, end=5)", "MMEngine: write Linear(to=1, over=5, sta"),
    ("dict(type='mmdet.QuadraticWarmupLR', begin=0, end=5)", 'write Warmup(5, start=0, shape="qu'),
    ("dict(type='StepLRR', step_size=5)", "has the type 'StepLRR', which is not known"),
    ("WarmupMultiStepLR(o, [1500, 2000], warmup_iters=500)", "Step(0.1, at=(1000, 1500))"),
    ("MultiStepLRScheduler(o, decay_t=[3, 6], decay_rate=0.5)", "write Step(0.5, at=(3, 6))"),
    (
        "CosineAnnealingWarmupRestarts(o, 200, warmup_steps=50)",
        "Warmup(50, start=0.01) >> Cosine(t",
    ),
    ("optax.cosine_onecycle(3)", "is not a name of ratewise: did you mean OneCycle."),
    ("tri_stage", "write Warmup("),
    ("NoamLR(512, 400)", "write Noam(400, 512)"),
    ("WarmupAnnealing(warmup_ratio=0.1)", 'write Warmup("10%") >> Linear(to=0)'),
]


@pytest.mark.parametrize(("text", "part"), ANSWERS)
def test_what_people_type_first_is_answered(text: str, part: str) -> None:
    """The error says what to write, the values that were given included."""
    message = refusal(text)
    assert part in message
    assert "SlantedTriangular" not in message
    assert len(message) < 500


PAGE = Path(__file__).parents[2] / "docs" / "coming-from.md"
ROWS = re.findall(r"^\| `(.+?)` \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("there", "told"), ROWS)
def test_the_page_says_what_the_errors_say(there: str, told: str) -> None:
    """Every row of the page is what a user of that name is told."""
    assert told in refusal(there)


KEYWORDS = [
    (lambda: rw.Cosine(eta_min=1e-5), "to = eta_min / lr = 1e-05 / lr"),
    (lambda: rw.Cosine(T_max=100), "write over=100"),
    (lambda: rw.Cosine(warmup_steps=50), "write Warmup(50) >> in front"),
    (lambda: rw.Cosine(num_training_steps=50), "total=50"),
    (lambda: rw.Linear(lr=0.1), "shares of the peak"),
    (lambda: rw.Step(gamma=0.5, step_size=30), "write factor=0.5; write every=30"),
    (lambda: rw.Step(milestones=[3, 5]), "write at=(3, 5)"),
    (lambda: rw.Plateau(min_lr=1e-6), "write floor=…"),
    (
        lambda: rw.ExponentialDecay(decay_steps=100, decay_rate=0.9),
        "write ExponentialDecay(0.9, every=100)",
    ),
]


@pytest.mark.parametrize(("make", "part"), KEYWORDS)
def test_wrong_keywords_in_python_get_the_same_advice(make: Any, part: str) -> None:
    """A class says what a keyword of another library is called here."""
    with pytest.raises(rw.ScheduleError) as caught:
        make()
    assert part in str(caught.value)


def advice_for(there: str) -> Instead:
    """What the table says of a call, or of settings of a Trainer."""
    if there.startswith("lr_scheduler_type"):
        given = {k.arg: ast.literal_eval(k.value) for k in calls(f"f({there})").keywords}
        more = given.pop("lr_scheduler_kwargs", {})
        return NAMES[given.pop("lr_scheduler_type")].advice({**given, **more})
    node = calls(there)
    placed = [Verbatim(a.id) if isinstance(a, ast.Name) else ast.literal_eval(a) for a in node.args]
    given = {k.arg: ast.literal_eval(k.value) for k in node.keywords}
    return NAMES[ast.unparse(node.func)].advice(given, placed)


def calls(text: str) -> ast.Call:
    node = ast.parse(text, mode="eval").body
    assert isinstance(node, ast.Call)
    return node


SAME = [
    ("torch", "CosineAnnealingLR(o, T_max=1000)"),
    ("torch", "CosineAnnealingLR(o, 1000, eta_min=3e-5)"),
    ("torch", "LinearLR(o)"),
    ("torch", "LinearLR(o, 0.1, total_iters=100)"),
    ("torch", "LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=700)"),
    ("torch", "ConstantLR(o, factor=0.5, total_iters=100)"),
    ("torch", "StepLR(o, step_size=300, gamma=0.3)"),
    ("torch", "MultiStepLR(o, milestones=[500, 750])"),
    ("torch", "ExponentialLR(o, gamma=0.99)"),
    ("torch", "PolynomialLR(o, total_iters=900, power=2.0)"),
    ("torch", "CosineAnnealingWarmRestarts(o, T_0=100, T_mult=2, eta_min=3e-5)"),
    ("torch", "CosineAnnealingWarmRestarts(o, 100)"),
    ("torch", "CyclicLR(o, base_lr=3e-5, max_lr=3e-4, step_size_up=100, cycle_momentum=False)"),
    ("torch", "CyclicLR(o, base_lr=3e-5, max_lr=3e-4, step_size_up=100, step_size_down=50, "
              "mode='triangular2', cycle_momentum=False)"),
    ("transformers", "lr_scheduler_type='linear', warmup_steps=50"),
    ("transformers", "lr_scheduler_type='linear', warmup_steps=0.1"),
    ("transformers", "lr_scheduler_type='constant'"),
    ("transformers", "lr_scheduler_type='constant_with_warmup', warmup_steps=50"),
    ("transformers", "lr_scheduler_type='cosine', warmup_steps=50"),
    ("transformers", "lr_scheduler_type='cosine', lr_scheduler_kwargs={'num_cycles': 1.5}"),
    ("transformers", "lr_scheduler_type='polynomial', warmup_steps=50"),
    ("transformers", "lr_scheduler_type='inverse_sqrt'"),
    ("transformers", "lr_scheduler_type='inverse_sqrt', warmup_steps=50"),
    ("transformers", "lr_scheduler_type='cosine_with_min_lr', warmup_steps=50, "
                     "lr_scheduler_kwargs={'min_lr': 3e-5}"),
    ("transformers", "lr_scheduler_type='warmup_stable_decay', warmup_steps=50, "
                     "lr_scheduler_kwargs={'num_decay_steps': 200}"),
    ("transformers", "lr_scheduler_type='warmup_stable_decay', warmup_steps=50, "
                     "lr_scheduler_kwargs={'num_decay_steps': 200, 'decay_type': '1-sqrt', "
                     "'min_lr_ratio': 0.1}"),
    ("keras", "CosineDecay(3e-4, 1000, alpha=0.1)"),
    ("keras", "CosineDecay(initial_learning_rate=3e-5, decay_steps=900, warmup_target=3e-4, "
              "warmup_steps=100)"),
    ("keras", "ExponentialDecay(3e-4, decay_steps=100, decay_rate=0.9, staircase=True)"),
    ("keras", "InverseTimeDecay(3e-4, decay_steps=100, decay_rate=0.5)"),
    ("keras", "PolynomialDecay(3e-4, 900, power=2.0)"),
    ("keras", "PolynomialDecay(3e-4, 300, cycle=True)"),
    ("keras", "CosineDecayRestarts(3e-4, 100, m_mul=0.5)"),
    ("optax", "cosine_decay_schedule(3e-4, 1000, alpha=0.1)"),
    ("optax", "warmup_cosine_decay_schedule(0.0, 3e-4, 50, 1000, end_value=3e-5)"),
    ("optax", "exponential_decay(3e-4, 100, 0.9, transition_begin=50)"),
    ("optax", "linear_schedule(3e-4, 3e-5, 900)"),
    ("optax", "constant_schedule(3e-4)"),
    ("optax", "linear_schedule(3e-4, 3e-5, 900, 50)"),
    ("optax", "polynomial_schedule(3e-4, 3e-5, 2.0, 900)"),
    ("optax", "piecewise_constant_schedule(3e-4, {100: 0.1, 200: 0.5})"),
    ("optax", "warmup_constant_schedule(0.0, 3e-4, 50)"),
    ("optax", "warmup_exponential_decay_schedule(0.0, 3e-4, 50, 100, 0.9)"),
    ("keras", "PiecewiseConstantDecay([100, 700], [3e-4, 3e-5, 3e-6])"),
    ("optax", "linear_onecycle_schedule(1000, 3e-4, 0.25, 0.75)"),
    ("optax", "piecewise_interpolate_schedule('linear', 3e-4, {100: 0.1, 200: 0.5})"),
    ("optax", "piecewise_interpolate_schedule('cosine', 3e-4, {100: 0.1, 200: 0.5})"),
    ("torch", "SWALR(o, swa_lr=3e-5, anneal_epochs=10)"),
]  # fmt: skip


@pytest.mark.parametrize(("framework", "there"), SAME)
def test_a_text_that_claims_the_same_rates_has_them(framework: str, there: str) -> None:
    """What is advised, for a peak of theirs, gives the rates of their own scheduler."""
    pytest.importorskip(framework)
    advice = advice_for(there)
    assert advice.exact
    _, rates, precision = live(Row("", framework, there, ""))
    mine = rw.parse(advice.text(RATE)).resolve(TOTAL).values() * RATE
    np.testing.assert_allclose(mine, rates(), rtol=max(precision, 1e-9), atol=RATE * 1e-6)


FUNCTIONS = [
    ("get_linear_schedule_with_warmup", (50, 1000)),
    ("get_cosine_schedule_with_warmup", (50, 1000)),
    ("get_polynomial_decay_schedule_with_warmup", (50, 1000, 1e-5, 2.0)),
    ("get_constant_schedule_with_warmup", (50,)),
    ("get_inverse_sqrt_schedule", (50, 400)),
]


@pytest.mark.parametrize(("name", "arguments"), FUNCTIONS)
def test_functions_of_transformers(name: str, arguments: tuple[Any, ...]) -> None:
    """The functions that make a scheduler are answered as the names of the Trainer are."""
    pytest.importorskip("transformers")
    module = importlib.import_module("transformers.optimization")
    one = optimizer()
    theirs = getattr(module, name)(one, *arguments)
    rates = []
    for _ in range(TOTAL):
        rates.append(one.param_groups[0]["lr"])
        one.step()
        theirs.step()
    advice = NAMES[name].advice({}, [Verbatim("optimizer"), *arguments])
    mine = rw.parse(advice.text(RATE)).resolve(TOTAL).values() * RATE
    np.testing.assert_allclose(mine, rates, rtol=1e-9, atol=1e-15)


FORMULAS = ("LambdaLR", "LambdaDecay", "MultiplicativeLR", "LearningRateScheduler")


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(FORMULAS)))
def test_every_advice_can_be_read(name: str) -> None:
    """With numbers for what is required, what the table says is a text of ours."""
    required = [word for word in NAMES[name].signature.split() if "=" not in word]
    numbers = {key: 10 if key != "milestones" else [10, 20] for key in required}
    numbers |= {"decay_steps": 100} if "decay_steps" in required else {}
    numbers |= {"gamma": 0.5} if "gamma" in required else {}
    advice = NAMES[name].advice(numbers)
    assert isinstance(rw.parse(advice.text(RATE)), rw.Schedule | rw.Plan)
    assert call(name, numbers)[1] == str(advice)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(FORMULAS)))
def test_what_is_told_of_a_bare_name_can_be_copied(name: str) -> None:
    """What it says to write is a schedule as it stands, examples in place of what is not given."""
    told = refusal(name)
    found = re.search(r"write (.+?)(?:, or, for the same|, with the share|; |\.$)", told)
    example = re.search(r", so (.+) for lr=", told)
    assert found is not None
    text = example[1] if example else found[1]
    assert "…" not in text
    assert isinstance(rw.parse(text), rw.Schedule | rw.Plan)


@pytest.mark.parametrize("name", ["tri_stag", "LinearParamScheduler", "optax.cosine_decay_schedul"])
def test_a_near_name_of_another_library_is_answered_at_once(name: str) -> None:
    """With what is written for it, and not with a name that is asked about again."""
    found = re.search(r"did you mean \w+, and if so write (.+?)(?:; |\.$)", refusal(name))
    assert found is not None
    assert isinstance(rw.parse(found[1]), rw.Schedule)


HOSTILE = [
    "a" * 90_000,
    f"Cosin{'x' * 50_000}(to=1)",
    f"StepLR({','.join(['1'] * 20_000)})",
    "StepLR(" * 90 + ")" * 90,
    "a." * 5_000 + "cosine",
    "--a b " * 15_000,
    "cosine_decay_schedule(1e-3, 9**9**9)",
    "PiecewiseDecay([1], [1e308, 1e-308])",
    "PiecewiseDecay('ab', 'cd')",
    "PiecewiseConstantDecay(['a'], [1.0, 2.0])",
    "piecewise_constant_schedule(1.0, {'a': 'b', 1: 2})",
    "polynomial_schedule(1e-320, 1e308, 1e999, 10)",
    "CosineLRScheduler(o, t_initial='x', warmup_t=[1])",
    "{1: 2, 'type': []}",
    "warmup_ratio='x'",
    "cosine\x00",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_answered_at_once(text: str) -> None:
    """One error of ours, short and soon, whatever stands where a number should."""
    assert len(refusal(text)) < 600
    assert cost(lambda: refusal(text)) < SECOND


def test_the_page_has_rows() -> None:
    """The table of the page is found."""
    assert len(ROWS) > 30


def test_every_argument_is_one_of_ours() -> None:
    """What the table of arguments leads to, some kind takes."""
    ours = {field for kind in rw.Schedule.kinds.values() for field in kind.__dataclass_fields__}
    assert {name for names in ARGUMENTS.values() for name in names} <= ours
