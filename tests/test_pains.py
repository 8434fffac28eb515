"""Every pain is still there in the framework, and cured here: both are run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import warm

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "pains"
SCRIPTS = sorted(path.name for path in FOLDER.glob("[a-z]*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_both_sides_are_run_and_differ(name, tmp_path):
    """The script ends well, with what the framework did and what ratewise did, and they differ."""
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    done = warm.run([FOLDER / name, "--json"], imported=warm.TORCH, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.strip().splitlines()[-1])
    assert said["theirs"]
    assert said["ours"]
    assert list(said["theirs"].values()) != list(said["ours"].values())
    assert not list(tmp_path.iterdir())


def test_the_list_is_whole():
    """There are twelve, and each is in the list beside them."""
    assert len(SCRIPTS) == 12
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in SCRIPTS if f"| [{name}]({name}) |" not in listed] == []


def test_a_script_that_no_longer_holds_fails(tmp_path):
    """Neither a cure that does not work nor a pain that is gone goes unnoticed."""
    for right, bitten, message in ((False, True, "did not do"), (True, False, "no longer")):
        code = (
            "from _side_by_side import show\n"
            f"show('x', {{'a': [1]}}, {{'b': [2]}}, lesson='', right={right}, bitten={bitten})"
        )
        done = warm.run(["-c", code], imported=warm.TORCH, cwd=FOLDER)
        assert done.returncode == 1
        assert message in done.stderr
