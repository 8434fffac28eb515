"""Every benchmark runs, in small."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import warm

ROOT = Path(__file__).resolve().parent.parent
LONG = ["--help"]
"""For what has no small size: its imports are tried, and the type checker reads the rest."""

ARGUMENTS = {
    "audit.py": ["--cases", "1", "--plain", "--seed", "0"],
    "choose.py": ["digits"],
    "compiled.py": LONG,
    "coverage.py": LONG,
    "finder.py": ["curve", "--repeats", "1"],
    "gpu.py": ["--turns", "1", "--updates", "1"],
    "guard.py": ["--updates", "200", "--rounds", "1"],
    "halving.py": ["table", "--repeats", "1"],
    "imports.py": ["1"],
    "inference.py": ["--cases", "5"],
    "journal.py": ["5"],
    "large_logs.py": ["--mb", "1"],
    "laws.py": LONG,
    "llm_runs.py": [],
    "overhead.py": ["--repeats", "1"],
    "ranking.py": ["table", "--laws", "power"],
    "refining.py": ["table", "--updates", "10"],
    "resume.py": ["--repeats", "1"],
    "sharing.py": ["50", "--here"],
    "stacked.py": ["table", "--most", "1"],
    "studio.py": LONG,
    "transfer.py": ["adapters"],
    "values.py": ["1000"],
}


def test_each_benchmark_has_a_size_to_be_tried_at():
    """A new one comes with a size that costs next to nothing."""
    scripts = (ROOT / "benchmarks").glob("[!_]*.py")
    assert sorted(path.name for path in scripts) == sorted(ARGUMENTS)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_benchmark_runs_to_its_end(name, tmp_path):
    """Each one still fits the library, and prints what it is about."""
    words = [ROOT / "benchmarks" / name, *ARGUMENTS[name]]
    done = warm.run(words, imported=warm.TORCH, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
