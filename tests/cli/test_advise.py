"""`ratewise advise` and `ratewise recipes`: options, a Trainer's record, and questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from ratewise.advise.from_log import read_facts
from ratewise.choose import advise, recipes
from ratewise.cli import app
from ratewise.logs.trainer_state import read_state


def run(*words: str, **options: Any) -> Result:
    return CliRunner().invoke(app, list(words), **options)


def state(path: Path, losses: Any, rates: Any = None, evals: Any = (), **more: Any) -> Path:
    """Write a record with one loss every ten updates, finished unless told otherwise."""
    rows = [{"step": 10 * (i + 1), "loss": float(loss)} for i, loss in enumerate(losses)]
    for row, rate in zip(rows, rates if rates is not None else [], strict=False):
        row["learning_rate"] = float(rate)
    last = 10 * len(rows)
    rows += [{"step": step, "eval_loss": loss} for step, loss in evals]
    content = {"global_step": last, "max_steps": last, "log_history": rows, **more}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def falling(count: int = 100) -> Any:
    """Losses that fall as a power of time, with a little noise."""
    t = np.arange(1, count + 1)
    return 2 + 3 * t**-0.5 + 0.02 * np.random.default_rng(0).normal(size=count)


def test_options_are_facts() -> None:
    """What is printed is the advice of the library, and signs may have commas between."""
    words = ["--task", "fine-tuning", "--kind", "language model", "--method", "lora"]
    words += ["--seen", "spikes,jitter", "--seen", "late best", "--batch", "64"]
    words += ["--batch-before", "16", "--peak", "2e-4", "--trials", "5", "--total", "500"]
    result = run("advise", *words)
    assert result.exit_code == 0, result.output
    facts: dict[str, Any] = {"task": "fine-tuning", "kind": "language model", "method": "lora"}
    facts |= {"seen": {"spikes", "jitter", "late best"}, "batch": 64, "batch_before": 16}
    assert result.output.strip() == str(advise(**facts, peak=2e-4, trials=5, total=500))


def test_nothing_is_asked_without_a_terminal() -> None:
    """Without options the general rules are printed, at once."""
    result = run("advise")
    assert result.exit_code == 0
    assert result.output.strip() == str(advise())


def test_missing_facts_are_asked_for_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that were not given; Enter leaves one open."""
    monkeypatch.setattr("ratewise.cli.advise.is_terminal", lambda: True)
    answers = "language model\n\nmuon\n\n9000\n"
    result = run("advise", "--task", "pretraining", input=answers)
    places = [result.stderr.index(name) for name in ("kind (", "method (", "optimizer (")]
    places += [result.stderr.index(name) for name in ("horizon (", "total (")]
    assert places == sorted(places)
    assert "task (" not in result.stderr
    known: dict[str, Any] = {"task": "pretraining", "kind": "language model"}
    assert result.stdout.strip().endswith(str(advise(**known, optimizer="muon", total=9000)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--task", "fine-tunin"], "--task fine-tunin is not a task"),
        (["--batch-before", "8"], "give --batch N too"),
        (["--seen", "spike"], "did you mean spikes"),
        (["--beta2", "2"], "--beta2 2.0 needs beta2 in"),
        (["--from", "nowhere.json"], "cannot be read"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_line(words: list[str], said: str) -> None:
    """Exit code 2 and one line that says what to write."""
    result = run("advise", *words)
    assert result.exit_code == 2
    assert said in result.output
    assert result.output.startswith("error: ")
    assert len(result.output.strip().splitlines()) == 1


def test_a_record_completes_what_was_given(tmp_path: Path) -> None:
    """The length and the signs are read and said; what was given counts first."""
    losses = falling()
    losses[60] += 3
    path = state(tmp_path / "trainer_state.json", losses)
    result = run("advise", "--from", str(path), "--seen", "jitter", "--task", "fine-tuning")
    assert result.exit_code == 0, result.output
    assert "spikes: 1 in the loss, the first at update 610" in result.stderr
    assert "1,000 updates were made" in result.stderr
    expected = advise(task="fine-tuning", total=1000, seen={"jitter", "spikes"})
    assert result.stdout.strip() == str(expected)
    assert "total: 50;" in run("advise", "--from", str(path), "--total", "50").stdout


def seen(path: Path) -> set[str]:
    record = read_state(path)
    return set(read_facts(record.rows, record.made, record.planned)[0].get("seen", ()))


def test_a_run_that_went_well_shows_nothing(tmp_path: Path) -> None:
    """A noisy power law is no plateau, no spike and no divergence."""
    assert seen(state(tmp_path / "s.json", falling())) == set()


def test_divergence_is_seen(tmp_path: Path) -> None:
    """A loss that rises for good, and one that is no number."""
    rising = falling()
    rising[70:] = 5
    assert "divergence" in seen(state(tmp_path / "a.json", rising))
    broken = falling()
    broken[80] = float("nan")
    assert seen(state(tmp_path / "b.json", broken)) == {"divergence"}


def test_a_plateau_is_seen_where_the_rate_is_high(tmp_path: Path) -> None:
    """The same losses are the end of a decay where the rate has fallen."""
    t = np.arange(100)
    noise = 0.01 * np.random.default_rng(1).normal(size=100)
    losses = 2 + 3 * np.exp(-t / 6) + noise
    constant = state(tmp_path / "a.json", losses, np.full(100, 3e-4))
    assert seen(constant) == {"plateau"}
    slow = 2 + 3 * np.exp(-t / 40) + noise
    slow[60:] = slow[59] + noise[60:]
    decayed = state(tmp_path / "b.json", slow, np.where(t < 60, 3e-4, 1e-5))
    assert seen(decayed) == set()


@pytest.mark.parametrize(
    ("best", "sign"),
    [(100, {"early best"}), (110, set()), (740, set()), (750, {"late best"})],
)
def test_the_best_evaluation_is_placed(tmp_path: Path, best: int, sign: set[str]) -> None:
    """In the first tenth, in the last quarter, or between; in a finished run only."""
    evals = [(step, 3.0 - (step == best)) for step in sorted({50, 100, 400, 900, best})]
    assert seen(state(tmp_path / "a.json", falling(), evals=evals)) == sign
    assert seen(state(tmp_path / "b.json", falling(), evals=evals, max_steps=5000)) == set()


@pytest.mark.parametrize("content", ["{", "[]", '{"log_history": 3}'])
def test_what_is_no_record_is_refused(tmp_path: Path, content: str) -> None:
    """With the name of the file that is meant."""
    path = tmp_path / "s.json"
    path.write_text(content, encoding="utf-8")
    result = run("advise", "--from", str(path))
    assert result.exit_code == 2
    assert "give a trainer_state.json" in result.output


def test_recipes_are_listed_and_shown() -> None:
    """The list has every name; one recipe shows the rules that it was built from."""
    listed = run("recipes").output
    assert all(f"{name}: " in listed for name in recipes())
    shown = run("recipes", "lora").output
    assert 'Warmup("5%") >> Cosine(to=0)   peak 0.0002' in shown
    assert "lora-sft: peak 0.0002" in shown
    wrong = run("recipes", "lorra")
    assert wrong.exit_code == 2
    assert "did you mean lora" in wrong.output


def test_a_task_tells_what_it_shows(tmp_path: Path) -> None:
    """`--from MODULE:TASK` looks at the model, the optimizer and the data, and says what it saw."""
    pytest.importorskip("torch")
    path = tmp_path / "mine.py"
    path.write_text(
        "import torch\n"
        "from ratewise.choose import TorchTask\n"
        "def data(seed):\n"
        "    rows = torch.utils.data.TensorDataset(torch.zeros(60, 3))\n"
        "    return torch.utils.data.DataLoader(rows, batch_size=6)\n"
        "def adam(model):\n"
        "    return torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.9))\n"
        "task = TorchTask(lambda: torch.nn.Linear(3, 1), adam, data, print, print)\n"
    )
    result = run("advise", "--from", f"{path}:task", "--task", "fine-tuning")
    assert result.exit_code == 0, result.stderr
    assert "batch is 6" in result.stderr
    assert "optimizer is adamw: AdamW" in result.stderr
    assert "beta2" in result.stdout
    refused = run("advise", "--from", f"{path}:tusk")
    assert refused.exit_code == 2
    assert "task" in refused.stderr
