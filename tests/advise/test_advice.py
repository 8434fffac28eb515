"""Advice: rules with sources, the conflicts between them, and the schedules that they make."""

from __future__ import annotations

import re
import runpy
import sys
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import ratewise as rw
from ratewise.advise.facts import CHOICES, SEEN
from ratewise.advise.recipes import cookbook
from ratewise.advise.rules import STRENGTHS, TABLES, rules
from ratewise.choose import Advice, Facts, advise, recipe, recipes
from tests.docs.makers import is_current

MAKER = Path(__file__).resolve().parent.parent.parent / "docs" / "make_advice.py"


def situations() -> list[tuple[str, str, dict[str, Any]]]:
    with mock.patch.object(sys, "path", [str(MAKER.parent), *sys.path]):
        return runpy.run_path(str(MAKER))["SITUATIONS"]


SITUATIONS = {title: facts for title, _, facts in situations()}
# Rules that each situation must get, the first schedule, and its peak.
EXPECTED: dict[str, tuple[set[str], str, float | None]] = {
    "A language model from scratch, 20,000 updates": (
        {"linear-to-zero", "stay-then-cool", "adam-warmup", "few-trials", "two-rounds"},
        "Warmup(40) >> Linear(to=0)",
        None,
    ),
    "A language model, and nobody knows when it ends": (
        {"hold-then-cool", "adam-warmup", "theory-hard-task"},
        "Warmup(40) >> Hold()",
        None,
    ),
    "An assistant from a base model": (
        {"sft-full-lm", "trainer-defaults", "linear-by-default"},
        'Warmup("10%") >> Cosine(to=0)',
        2e-5,
    ),
    "LoRA on one card, in a hurry": (
        {"lora-sft", "lora-short", "lora-large-batch", "lora-variants", "compare-at-the-end"},
        'Warmup("5%") >> Cosine(to=0)',
        3e-4,
    ),
    "A classifier from 2,000 labelled texts": (
        {"encoder-few-examples", "unstable-warmup", "trainer-defaults"},
        'Warmup("10%") >> Linear(to=0)',
        5e-5,
    ),
    "Preferences after fine-tuning": (
        {"preference-zephyr", "preference-trl"},
        'Warmup("10%") >> Cosine(to=0)',
        5e-7,
    ),
    "A four times larger batch": (
        {"vision-scratch-sgd", "batch-sgd"},
        'Warmup("5%") >> Linear(to=0)',
        0.4,
    ),
    "New data every month": (
        {"rewarm-and-redecay", "rewarm-once", "clip-spikes", "stability-gap"},
        "Warmup(2000) >> Hold()",
        None,
    ),
    "A search whose best peak was the last one": (
        {"edge-of-search", "unstable-warmup", "late-jitter", "late-best", "many-trials"},
        'Warmup("10%") >> Linear(to=0)',
        None,
    ),
    "No wish to choose a rate": ({"prodigy", "rate-free-needs-tuning"}, "Cosine(to=0)", 1.0),
}


def ids(advice: Advice) -> set[str]:
    return {found.rule.id for found in advice.rules}


def every_advice() -> list[Advice]:
    """Advice for every combination of words, with all signs and numbers and with none."""
    numbers = {"batch": 64, "batch_before": 16, "examples": 500, "trials": 30, "total": 5000}
    more = {**numbers, "beta2": 0.95, "peak": 1e-3, "seen": SEEN}
    return [
        advise(task=task, method=method, optimizer=optimizer, kind=kind, horizon=horizon, **extra)
        for task in CHOICES["task"]
        for method in CHOICES["method"]
        for optimizer in CHOICES["optimizer"]
        for kind in (None, *CHOICES["kind"])
        for horizon in CHOICES["horizon"]
        for extra in ({}, more)
    ]


@pytest.fixture(scope="module")
def all_advice() -> list[Advice]:
    return every_advice()


@pytest.mark.parametrize("rule", rules().values(), ids=lambda rule: rule.id)
def test_a_rule_has_a_source_and_says_what_it_is(rule: Any) -> None:
    """No rule without a source, a strength that is known, and words of what to do."""
    assert rule.source.strip()
    assert rule.strength in STRENGTHS
    assert rule.then.endswith((".", ")."))
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    for arxiv in re.findall(r"arXiv ([^;,)\s]+)", rule.source):
        assert re.fullmatch(r"\d{4}\.\d{5}", arxiv)
    facts = set(Facts.__dataclass_fields__)
    assert set(rule.when) <= facts
    for name, condition in rule.when.items():
        words = condition.get("except", []) if isinstance(condition, dict) else condition
        if isinstance(words, list) and words:
            assert set(words) <= set(SEEN if name == "seen" else CHOICES[name])
        if isinstance(condition, dict):
            assert set(condition) <= {"at_least", "below", "except"}


def test_conflicts_are_mutual_and_name_rules_that_exist() -> None:
    """If a rule says another disagrees, that one says so too; none disagrees with itself."""
    known = rules()
    for rule in known.values():
        assert list(rule.conflicts) == sorted(set(rule.conflicts))
        assert rule.id not in rule.conflicts
        for other in rule.conflicts:
            assert rule.id in known[other].conflicts, f"{other} does not know of {rule.id}"


def test_no_id_is_used_in_two_tables() -> None:
    """Every rule that is written is a rule that is read."""
    folder = files("ratewise.advise") / "tables"
    written = [tomllib.loads((folder / f"{name}.toml").read_text("utf-8")) for name in TABLES]
    assert sum(map(len, written)) == len(rules()) > 35


def test_every_rule_and_every_conflict_is_met_by_some_facts(all_advice: list[Advice]) -> None:
    """No rule is dead, and no conflict is between rules that never meet."""
    more = [advise(trials=n) for n in (5, 15, 200)]
    more.append(advise(**SITUATIONS["LoRA on one card, in a hurry"]))
    met = set().union(*(ids(advice) for advice in [*all_advice, *more]))
    assert met == set(rules())
    pairs = {pair for advice in [*all_advice, *more] for pair in advice.conflicts}
    said = {tuple(sorted((r.id, c))) for r in rules().values() for c in r.conflicts}
    assert pairs == said


@pytest.mark.parametrize("title", SITUATIONS, ids=str)
def test_a_situation_gets_the_rules_it_should(title: str) -> None:
    """The rules expected are among those that fit; the first schedule and its peak are exact."""
    expected, schedule, peak = EXPECTED[title]
    advice = advise(**SITUATIONS[title])
    assert expected <= ids(advice)
    assert repr(advice.plans[0].lr) == schedule
    found = advice.plans[0].peak.get("lr")
    assert found == (None if peak is None else pytest.approx(peak, rel=1e-12))


def test_ten_situations_are_described() -> None:
    """Each is expected something of."""
    assert len(SITUATIONS) == 10
    assert set(SITUATIONS) == set(EXPECTED)


def test_every_plan_runs_reads_back_and_names_its_rules(all_advice: list[Advice]) -> None:
    """Plans resolve, survive the text form, differ, and come from rules that fit."""
    for advice in all_advice:
        assert len(set(map(repr, advice.plans))) == len(advice.plans) == len(advice.origins)
        for plan, origin in zip(advice.plans, advice.origins, strict=True):
            levels = plan.resolve(20_000).schedules()["lr"].values()
            assert levels.max() == 1.0
            assert rw.parse(repr(plan)) == plan
            assert origin
            assert set(origin) <= ids(advice)
            if advice.facts.horizon == "open":
                assert plan.resolve().lr is not None  # it needs no total


def test_there_is_always_a_plan(all_advice: list[Advice]) -> None:
    """Whatever the words, something can be tried."""
    assert all(advice.plans for advice in all_advice)


@pytest.mark.parametrize("total", [1, 2, 3, 9, 39, 41, 400, 401])
def test_a_plan_fits_a_short_run(total: int) -> None:
    """Warm-ups shrink with the run, or the plan is left out; nothing raises later."""
    facts = {"task": "pretraining", "kind": "language model", "beta2": 0.95, "total": total}
    for plan in advise(**facts).plans:
        assert len(plan.resolve(total).schedules()["lr"].values(total)) == total


def test_beta2_decides_the_warmup_up_to_a_tenth_of_the_run() -> None:
    """2/(1 - 0.95) is 40 updates: a tenth of 400 is enough, of 399 is not."""
    text = [repr(advise(beta2=0.95, total=total).plans[0].lr) for total in (400, 399)]
    assert text == ["Warmup(40) >> Linear(to=0)", 'Warmup("5%") >> Linear(to=0)']


def test_bounds_of_conditions_are_half_open() -> None:
    """Below 10 runs, from 10 and below 25, from 25 on."""
    names = ("few-trials", "some-trials", "many-trials")
    found = [[name for name in names if name in ids(advise(trials=n))] for n in (9, 10, 24, 25)]
    assert found == [["few-trials"], ["some-trials"], ["some-trials"], ["many-trials"]]


def test_the_batch_moves_the_peak_by_the_optimizers_rule() -> None:
    """Times 4 for SGD, times 2 and a smaller beta2 for Adam."""
    batch = {"batch": 64, "batch_before": 16, "peak": 3e-4}
    assert advise(optimizer="sgd", **batch).plans[0].peak["lr"] == pytest.approx(1.2e-3)
    adam = advise(optimizer="adamw", beta2=0.99, **batch)
    assert adam.plans[0].peak["lr"] == pytest.approx(6e-4)
    assert "batch × 4, so peak × 2, beta2 0.96" in str(adam)
    assert ("batch-adam", "batch-adam-surge") in adam.conflicts
    assert "grown too far" in str(advise(beta2=0.7, **batch))


def test_methods_that_set_the_rate_keep_it_at_one(all_advice: list[Advice]) -> None:
    """No convention of a task gives Prodigy or D-Adaptation another peak."""
    for advice in all_advice:
        if advice.facts.optimizer in ("prodigy", "d-adaptation"):
            assert {plan.peak["lr"] for plan in advice.plans} == {1.0}


def test_the_text_says_all_of_it() -> None:
    """Facts, schedules, rules with source and reason, and conflicts, within a terminal."""
    text = str(advise(task="pretraining", kind="language model", trials=5))
    assert "Source: arXiv 2502.15938" in text
    assert "Fits: the task is pretraining, the kind of model is language model" in text
    assert "linear-to-zero [measured]  against  stay-then-cool [measured]" in text
    assert max(map(len, text.splitlines())) <= 92


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"task": "pretrianing"}, "did you mean pretraining"),
        ({"kind": "llm"}, "Facts(kind='llm') is not a kind that is known"),
        ({"optimizer": None}, "Facts(optimizer=None)"),
        ({"batch": 0}, "needs batch as a whole number"),
        ({"total": 10.5}, "needs total as a whole number"),
        ({"batch_before": 8}, "give batch=… too"),
        ({"beta2": 1.0}, "needs beta2 in [0, 1]"),
        ({"peak": 0}, "needs peak in (0, inf)"),
        ({"seen": {"spike"}}, "did you mean spikes"),
        ({"seen": "spikes"}, 'write seen={"spikes"}'),
        ({"seen": 3}, "needs a set of texts"),
        ({"taks": "other"}, "did you mean task"),
    ],
    ids=str,
)
def test_bad_facts_are_refused(known: dict[str, Any], said: str) -> None:
    """With what was given, the rule, and what to write."""
    with pytest.raises(rw.ScheduleError, match=re.escape(said)):
        advise(**known)


def test_facts_and_arguments_are_not_mixed() -> None:
    """One or the other; and facts are facts."""
    assert advise(Facts(task="fine-tuning")).facts == advise(task="fine-tuning").facts
    for wrong in (lambda: advise(Facts(), task="other"), lambda: advise("fine-tuning")):
        with pytest.raises(rw.ScheduleError, match="takes facts, or their arguments"):
            wrong()


@pytest.mark.parametrize("name", recipes())
def test_a_recipe_is_a_plan_that_names_its_rules(name: str) -> None:
    """It runs, reads back, and each of its rules exists and is noted."""
    plan = recipe(name)
    assert plan == recipes()[name] == rw.parse(repr(plan))
    plan.resolve(20_000)
    origin = cookbook()[name].origin
    assert set(origin) <= set(rules())
    assert set(origin) <= {note.split(":")[0] for note in plan.notes}


def test_an_unknown_recipe_gets_the_nearest() -> None:
    """Or the whole list."""
    with pytest.raises(rw.ScheduleError, match="did you mean lora"):
        recipe("lorra")


def test_the_page_of_advice_is_what_the_rules_say() -> None:
    """`docs/advice.md` is up to date."""
    assert is_current("make_advice"), "run python docs/make_advice.py"
