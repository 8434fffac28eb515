"""Where nothing was learned, or nothing can be told, that is what is said."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ratewise.choose import Choice, choose
from ratewise.choose.summary import NothingFinished
from ratewise.choose.untrained import constants
from ratewise.cli.app import app
from tests.choose import noise
from tests.choose.noise import NoiseRun, NoiseTask, gaussian, learned
from tests.choose.valley import Cliff, Valley

SHAPES = ["Hold()", "Linear(to=0)"]
QUICK: dict[str, Any] = {"total": 8, "peaks": [0.05, 0.1, 0.2], "seeds": 3}


def chosen(task: Any, **changes: Any) -> Choice:
    return choose(task, SHAPES, **{**QUICK, **changes})


def kind_of(choice: Choice) -> str | None:
    return None if choice.refusal is None else choice.refusal.kind


def worse(run: NoiseRun) -> dict[str, float]:
    return {"loss": 1.0 + sum(run.rates) + 0.001 * run.noise("metric", run.rates)}


def saturated(run: NoiseRun) -> dict[str, float]:
    return {"accuracy": 1.0 if run.rates else 0.5}


def not_a_number(run: NoiseRun) -> dict[str, float]:
    return {"loss": math.nan if run.rates else 1.0}


SCORE = {"higher_is_better": ("accuracy",)}
UNLEARNED = {
    "flat": (NoiseTask(lambda run: {"loss": 0.6931}), "nothing that was trained moves it"),
    "saturated": (NoiseTask(saturated, **SCORE), "does not tell them apart"),
    "rising": (NoiseTask(worse), "Training makes it worse"),
    "noise": (NoiseTask(gaussian()), "Nothing was learned, as far as 3 seeds can tell"),
}


@pytest.mark.parametrize("what", UNLEARNED)
def test_nothing_is_recommended_where_nothing_was_learned(what: str) -> None:
    """Each case has its sentence and what to try, in the summary, report, page, JSON and code."""
    task, sentence = UNLEARNED[what]
    choice = chosen(task)
    assert kind_of(choice) == {"saturated": "flat", "noise": "untrained"}.get(what, what)
    assert choice.refusal is not None
    assert choice.refusal.advice
    report, page = choice.report(width=200, colour=False), choice.html()
    for text in (str(choice), report, page):
        assert f"No recommendation. {choice.refusal.text}"[:60] in text
        assert "Use “" not in text
        assert "by chance up to 0)" not in text
    assert sentence in choice.refusal.text
    assert str(choice).startswith("No recommendation.")
    told = choice.to_dict()["refusal"]
    assert (told["kind"], told["text"]) == (choice.refusal.kind, choice.refusal.text)
    assert len(told["advice"]) == len(choice.refusal.advice)
    assert "No recommendation." in choice.code("torch")


def test_a_noise_only_task_is_called_so_nineteen_times_of_twenty() -> None:
    """Whether the noise is each run's own or in part that of a seed; and no gain is claimed."""
    choices = [
        chosen(NoiseTask(gaussian(spread=0.1, common=common), name=f"{common} {i}"))
        for common in (0.0, 0.1)
        for i in range(20)
    ]
    assert sum(kind_of(one) == "untrained" for one in choices) >= 38
    assert sum(one.gain is not None and one.gain.sure for one in choices) <= 2


def test_a_task_that_learns_a_little_is_not_called_nothing() -> None:
    """Four standard deviations of noise, which is little beside what three seeds can tell."""
    choices = [chosen(NoiseTask(learned(0.4, spread=0.1), name=str(i))) for i in range(8)]
    assert sum(one.refusal is None for one in choices) >= 7


def test_one_seed_says_nothing_of_noise() -> None:
    """It may have learned or not; only where no run is better than untrained is that said."""
    assert kind_of(chosen(NoiseTask(worse), seeds=1)) == "rising"
    assert kind_of(chosen(NoiseTask(learned(0.4)), seeds=1)) is None


@pytest.mark.parametrize("task", [Cliff(), NoiseTask(not_a_number)])
def test_where_no_run_finishes_there_is_no_choice(task: Any) -> None:
    """The loss of all broke, or the metric is no number."""
    with pytest.raises(NothingFinished, match="found no run that finishes"):
        chosen(task)


@pytest.mark.parametrize(
    ("peaks", "side"), [([0.001, 0.002, 0.004], "above"), ([1.6, 3.2, 6.4], "below")]
)
def test_a_best_peak_at_the_edge_is_no_recommendation(peaks: list[float], side: str) -> None:
    """Where it is better than those beside it beyond noise; the advice is a peak further out."""
    task: Any = Valley(noise=0.03, peak=0.001)
    if side == "below":
        task = NoiseTask(lambda run: {"loss": 1 + max(run.rates, default=9.0)}, peak=3.0)
    choice = choose(task, SHAPES, total=40, peaks=peaks, seeds=3)
    assert kind_of(choice) == "edge"
    assert choice.refusal is not None
    assert f"lies {side} it" in choice.refusal.text


def test_a_best_peak_inside_the_ladder_is_recommended() -> None:
    """Nothing is refused, and what to use comes first."""
    choice = choose(Valley(), total=80, peaks=[0.02, 0.08, 0.3, 1.2], seeds=2, budget=720)
    assert choice.refusal is None
    assert "No recommendation" not in str(choice)


# Constant answers ---------------------------------------------------------------------------


def test_constant_answers_are_worth_what_they_are_said_to_be() -> None:
    """The losses and accuracies of real answers to these labels, to the last bit or so."""
    labels = np.array([0] * 60 + [1] * 30 + [2] * 10)
    p = np.array([0.6, 0.3, 0.1])
    found = {one.told: one.value for one in constants(labels)}
    assert -np.log(p[labels]).mean() == pytest.approx(
        found["answering how often each label comes up gives"], rel=1e-12
    )
    assert (labels == 0).mean() == found["always answering the most frequent label gives"]
    assert math.log(3) in found.values()


def blind(*, share: float, opaque: bool) -> Any:
    """Return a task whose pictures are all the same, so that only the labels' shares are left."""
    torch = pytest.importorskip("torch")
    from ratewise.choose import TorchTask

    def batches(seed: int) -> Iterator[Any]:
        random = torch.Generator().manual_seed(seed)
        for _ in range(24):
            y = (torch.rand(64, generator=random) < share).long()
            yield (torch.zeros(64, 3), y, None) if not opaque else {"rows": (torch.zeros(64, 3), y)}

    def parts(batch: Any) -> Any:
        return batch["rows"] if opaque else batch[:2]

    def loss(net: Any, batch: Any) -> Any:
        x, y = parts(batch)
        return torch.nn.functional.cross_entropy(net(x), y)

    def model() -> Any:
        net = torch.nn.Linear(3, 2)
        torch.nn.init.constant_(net.bias[:1], 0.0)
        with torch.no_grad():
            net.bias.copy_(torch.tensor([1.5, -1.0]) * (1 + 0.1 * torch.rand(2)))
        return net

    held_out = list(batches(99))

    def metric(net: Any) -> dict[str, float]:
        return {"loss": float(np.mean([float(loss(net, one)) for one in held_out]))}

    make = lambda net: torch.optim.SGD(net.parameters(), lr=0.5)  # noqa: E731
    return TorchTask(model=model, optimizer=make, data=batches, loss=loss, metric=metric)


@pytest.mark.parametrize(("share", "opaque"), [(0.5, False), (0.5, True), (0.8, False)])
def test_a_model_that_learns_how_often_labels_come_up_has_learned_nothing(
    share: float, opaque: bool
) -> None:
    """It ends at ln 2, or at the entropy of the labels, and far better than it began."""
    choice = choose(blind(share=share, opaque=opaque), SHAPES, total=30, peaks=[0.3, 0.6, 1.2])
    assert kind_of(choice) == "chance"
    entropy = -share * math.log(share) - (1 - share) * math.log(1 - share)
    assert choice.metric == pytest.approx(entropy, abs=0.03)
    assert choice.refusal is not None
    assert "ln 2" in choice.refusal.text or "how often" in choice.refusal.text


# The command line ---------------------------------------------------------------------------

FILE = noise.__file__
TASKS = """
from tests.choose.noise import NoiseTask, gaussian, learned
from tests.choose.valley import Cliff, Valley
flat = NoiseTask(lambda run: {"loss": 0.5})
dice = NoiseTask(gaussian())
little = NoiseTask(learned(1.0, spread=0.01))
cliff = Cliff()
"""


@pytest.mark.parametrize(
    ("task", "code", "told"),
    [
        ("flat", 4, "nothing that was trained moves it"),
        ("dice", 4, "Nothing was learned"),
        ("cliff", 4, "ratewise choose found no run that finishes"),
        ("little", 0, "What to use"),
    ],
)
def test_the_exit_code_is_4_where_nothing_is_recommended(
    task: str, code: int, told: str, tmp_path: Path
) -> None:
    """Whoever calls it from a script need not read the report."""
    (tmp_path / "refused_tasks.py").write_text(TASKS)
    words = ["choose", f"{tmp_path / 'refused_tasks.py'}:{task}", *SHAPES, "--total", "8"]
    done = CliRunner().invoke(app, [*words, "--peaks", "0.05,0.1,0.2", "--seeds", "3"])
    assert done.exit_code == code, done.output
    assert told in " ".join(done.output.split())


def test_help_tells_of_the_exit_code() -> None:
    """And so do the docs, whose test runs them."""
    told = " ".join(CliRunner().invoke(app, ["choose", "--help"]).output.split())
    assert "exit code is 4" in told
