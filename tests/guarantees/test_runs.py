"""One suite for all frameworks: the same rates, whatever happens to a run."""

from __future__ import annotations

import functools
import json
import random
import shutil
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.schedule import ScheduleError
from tests import warm
from tests.guarantees.drivers import FRAMEWORKS, driver
from tests.guarantees.setup import LR, UPDATES, Setup
from tests.schedule.strategies import shapes

PLAN = rw.Warmup(3) >> rw.Cosine(to=0.1)
WARM = dict.fromkeys(FRAMEWORKS, warm.TORCH)
WARM |= {"lightning": warm.LIGHTNING, "keras": warm.KERAS, "optax": warm.JAX}
FLUSHING = [name for name in FRAMEWORKS if name not in ("keras", "optax")]
RESUMING = ["torch", "accelerate", "transformers", "lightning"]
every = pytest.mark.parametrize("name", FRAMEWORKS)
quietly = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _there(request):
    """Only where the framework is installed, and with one thread."""
    name = request.getfixturevalue("name") if "name" in request.fixturenames else "torch"
    pytest.importorskip(FRAMEWORKS[name][0])
    pytest.importorskip("torch").set_num_threads(1)


def train(name, plan, folder, **asked):
    folder.mkdir(parents=True, exist_ok=True)
    return driver(name).train(plan, Setup(folder, **asked))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Trains a whole run with a plan, once, and says what it said."""
    ran = {}

    def once(name, plan, **asked):
        key = name, repr(plan), *asked.items()
        if key not in ran:
            ran[key] = train(name, plan, tmp_path_factory.mktemp("whole"), **asked)
        return ran[key]

    return once


def meant(plan, total=20, lr=LR):
    return [lr * level for level in plan.resolve(total).values(total).tolist()]


def same(used, wanted):
    """As many updates, each at its rate, to the precision in which the framework holds it."""
    assert len(used) == len(wanted)
    np.testing.assert_allclose(used, wanted, rtol=3e-7, atol=1e-12)


def plateau(name):
    metric = "eval_loss" if name == "transformers" else "val_loss"
    return rw.Warmup(3) >> rw.Plateau(metric, patience=0, factor=0.5, threshold=0.03)


@quietly
@every
@pytest.mark.parametrize("accumulation", [1, 4, 16])
def test_accumulation_changes_nothing(name, accumulation, tmp_path):
    """Update t uses the rate of update t, however many micro-batches it is made of."""
    same(train(name, PLAN, tmp_path, accumulation=accumulation).used, meant(PLAN))


@quietly
@pytest.mark.parametrize("name", FLUSHING)
@pytest.mark.parametrize("short", [1, 3])
def test_a_partial_last_window_is_one_update(name, short, tmp_path):
    """An epoch that ends inside a window makes an update of what there is, and it counts once."""
    same(train(name, PLAN, tmp_path, accumulation=4, short=short).used, meant(PLAN))


@quietly
@every
def test_the_rate_in_the_log_is_the_rate_that_was_used(name, whole):
    """What the framework itself writes down at update k is what update k used."""
    ran = whole(name, PLAN)
    if len(ran.logged) == len(ran.used):
        same(ran.logged, ran.used)
    else:  # one entry for each epoch
        same(ran.logged, ran.used[UPDATES - 1 :: UPDATES])


@quietly
@pytest.mark.parametrize("name", ["lightning"])
@pytest.mark.parametrize("accumulation", [1, 4])
def test_the_log_is_that_of_the_native_scheduler(name, accumulation, tmp_path):
    """With every micro-batch the rate of its update, as with PyTorch's own scheduler."""
    setup = Setup(tmp_path / "native", accumulation=accumulation)
    setup.folder.mkdir()
    theirs = driver(name).native(PLAN.resolve(20).values(20).tolist(), setup)
    ours = train(name, PLAN, tmp_path / "ours", accumulation=accumulation)
    assert ours.logged == theirs.logged
    assert ours.used == theirs.used
    assert ours.logged == [rate for rate in ours.used for _ in range(accumulation)]


@quietly
@every
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parts=st.lists(shapes(st.integers(0, 6)), min_size=1, max_size=3))
def test_any_composition_is_followed(name, parts, tmp_path_factory):
    """Nested, of length zero, ending before the run does: what runs is the value itself."""
    plan = parts[0]
    for part in parts[1:]:
        plan = plan >> part
    folder = tmp_path_factory.mktemp("run")
    wanted = [LR * level for level in plan.resolve().values(20).tolist()]
    same(train(name, plan, folder).used, wanted)


@quietly
@every
def test_text_and_json_are_the_value(name, tmp_path, whole):
    """The text of a schedule, and its JSON form read back, give the trace of the value."""
    value = whole(name, PLAN).used
    assert train(name, str(PLAN), tmp_path / "text").used == value
    read = rw.from_dict(json.loads(json.dumps(PLAN.to_dict())))
    assert train(name, read, tmp_path / "json").used == value


@quietly
@every
def test_what_is_misspelt_is_refused_before_the_first_update(name, tmp_path):
    """An unknown keyword, move or length in a text is refused, and nothing is trained."""
    seen = []
    for text in ("Warmup(3) >> Cosine(two=0)", "Warmup(3) >> Cosin(to=0)", "Warmup(30) >> Hold()"):
        with pytest.raises(ScheduleError):
            train(name, text, tmp_path, after=lambda *update: seen.append(update))
    assert not seen


@quietly
@every
def test_a_horizon_is_found_or_asked_for(name, tmp_path):
    """Shares of a run whose length nobody typed: the trainer knows it, or it is asked for."""
    plan = rw.Warmup("25%") >> rw.Linear(to=0)
    if name in ("torch", "accelerate", "optax"):
        with pytest.raises(ScheduleError, match="total"):
            train(name, plan, tmp_path, given=False)
    else:
        same(train(name, plan, tmp_path, given=False).used, meant(plan))


@quietly
@every
@pytest.mark.parametrize("stop", [1, 3])
def test_stopped_and_resumed_is_the_whole_run(name, stop, tmp_path, whole):
    """What a run used before it was stopped, and after, is what an unstopped one used."""
    first = train(name, PLAN, tmp_path / "run", stop=stop).used
    rest = train(name, PLAN, tmp_path / "run", resume=True).used
    assert first + rest == whole(name, PLAN).used
    assert len(first) == stop * UPDATES


@quietly
@pytest.mark.slow
@every
def test_killed_and_resumed_is_the_whole_run(name, tmp_path):
    """A process killed with SIGKILL at a random update, begun again: every update at its rate."""
    update = random.Random(name).randrange(UPDATES + 1, 19)

    def run(folder, stop):  # each in a process of its own, which nothing has trained in before
        folder.mkdir(exist_ok=True)
        words = ["-m", "tests.guarantees.killed", name, folder, stop]
        return warm.run(words, imported=WARM[name])

    def used(folder):
        return [line.split() for line in (folder / "used.txt").read_text().splitlines()]

    undisturbed = run(tmp_path / "whole", 0)
    assert undisturbed.returncode == 0, undisturbed.stderr
    whole = [float(rate) for _, rate in used(tmp_path / "whole")]
    dead = run(tmp_path / "run", update)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    done = run(tmp_path / "run", 0)
    assert done.returncode == 0, done.stderr
    lines = used(tmp_path / "run")
    last = {int(t): float(rate) for t, rate in lines}
    assert sorted(last) == list(range(1, 21))
    same([last[t] for t in sorted(last)], whole)
    assert len(lines) > 20  # some updates behind the last checkpoint were made twice
    for t, rate in lines:
        assert float(rate) == last[int(t)]


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Begins a run that stops after two epochs, once, and gives copies of its folder."""
    runs = {}

    def copied(name, folder):
        if name not in runs:
            first = tmp_path_factory.mktemp(name)
            runs[name] = first, train(name, PLAN, first, stop=2).used
        first, used = runs[name]
        shutil.copytree(first, folder)
        return used

    return copied


CHANGES = {
    "longer": (rw.Warmup(3) >> rw.Cosine(to=0.1), {"epochs": 8}),
    "shorter": (rw.Warmup(3) >> rw.Cosine(to=0.1), {"epochs": 4}),
    "another shape": (rw.Warmup(3) >> rw.Linear(to=0), {}),
    "half the peak": (0.5 * (rw.Warmup(3) >> rw.Cosine(to=0.1)), {}),
}


@quietly
@pytest.mark.parametrize("name", RESUMING)
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_plan_needs_a_policy_and_is_never_a_mixture(name, change, begun, tmp_path, capfd):
    """Without a policy it is refused; with one the rates are one plan's or the other's, at the
    place that the policy says, and the rates before and after are printed."""
    new, asked = CHANGES[change]
    stop, total = 2 * UPDATES, asked.get("epochs", 5) * UPDATES
    levels = new.resolve(total).values(total)
    before = PLAN.resolve(20)
    shifted = round(stop * total / 20)
    wanted = {
        "checkpoint": before.values(total),
        "code": levels,
        "rescale": np.concatenate([levels[:stop], new.resolve(total).values(total, shifted)]),
        "continue": levels * before(stop) / levels[stop],
    }
    for policy, meant_levels in wanted.items():
        folder = tmp_path / policy
        first = begun(name, folder)
        if policy == "checkpoint":
            with pytest.raises(ScheduleError, match="resume="):
                train(name, new, folder, resume=True, **asked)
        capfd.readouterr()
        rest = train(name, new, folder, resume=True, policy=policy, **asked).used
        said = "".join(capfd.readouterr())
        same(first, meant(PLAN)[:stop])
        np.testing.assert_allclose(rest, LR * meant_levels[stop:total], rtol=1e-6, atol=1e-12)
        assert f"{before(stop) * LR:.3g}"[:4] in said or policy == "checkpoint", said


@quietly
@pytest.mark.parametrize("name", ["keras", "optax"])
def test_a_changed_plan_follows_the_code_from_the_update_it_is_at(name, tmp_path):
    """Where the state holds the count of updates alone, the code's plan goes on at that update."""
    train(name, PLAN, tmp_path, stop=2)
    longer = train(name, PLAN, tmp_path, resume=True, epochs=8).used
    same(longer, meant(PLAN, 32)[2 * UPDATES :])


@every
def test_correct_use_warns_of_nothing(name, tmp_path):
    """No warning of ours, and none about schedulers, comes with a run."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        train(name, PLAN, tmp_path, accumulation=4)
    ours = [one for one in seen if "ratewise" in one.filename or "lr_scheduler" in str(one.message)]
    assert not ours


@functools.cache
def seen_with():
    """The modules that are there where a schedule was computed and drawn."""
    code = (
        "import sys, ratewise as rw; s = rw.parse('Warmup(3) >> Cosine(to=0.1)').resolve(20); "
        "s.values(); rw.show(s); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@every
def test_the_plan_is_seen_without_the_framework(name):
    """Drawing and computing a schedule imports no framework."""
    assert FRAMEWORKS[name][0] not in seen_with()
    assert "ratewise.show" in seen_with()
