"""Every example runs, in small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import warm

ROOT = Path(__file__).resolve().parent.parent
ARGUMENTS = {
    "adaptive.py": ["--total", "60", "--seeds", "1"],
    "early_cool.py": [
        *("--lengths", "30", "40", "--every", "5", "--patience", "0", "--seeds", "2"),
        *("--judges", "60"),
    ],
    "embeddings.py": ["--total", "20", "--budget", "200", "--reviews", "200"],
    "sentiment.py": ["--total", "8", "--budget", "64", "--seeds", "2", "--judges", "60"],
    "trainer_task.py": ["--total", "20", "--seeds", "1"],
}
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))


def run(name, folder, *more):
    """What an example prints."""
    words = [ROOT / "examples" / name, *more]
    done = warm.run(words, imported=warm.TORCH, cwd=folder, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_fine_tune_is_told_which_schedule_to_use(tmp_path):
    """The main example trains on the real reviews, tells the story, and writes its page."""
    output = run("sentiment.py", tmp_path, *ARGUMENTS["sentiment.py"], "--out", "results")
    assert "9,072 reviews to train on, 1,000 held out" in output
    assert "What to use" in output
    known = json.loads((tmp_path / "results" / "choice.json").read_text())
    assert known["metric"] == "loss"
    assert 0 < known["value"] < 2
    assert sum(known["spent"].values()) <= known["budget"] == 64
    assert (tmp_path / "results" / "figure.png").stat().st_size > 10_000
    assert "What to use" in (tmp_path / "results" / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in EXAMPLES if n != "sentiment.py"])
def test_an_example_runs(name, tmp_path):
    """Each of the other examples ends well and says something."""
    assert run(name, tmp_path, *ARGUMENTS.get(name, [])).strip()
