"""A script that is not changed follows the schedule that `ratewise run` was given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import ratewise as rw
from tests.launch.loops import UPDATES

SCRIPT = Path(__file__).with_name("loops.py")
SPEC = "Warmup(2) >> Cosine(to=0.1)"


def launch(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ratewise", "run", *words]
    quiet = {"PYTHONWARNINGS": "ignore", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        command, cwd=folder, env=os.environ | quiet, capture_output=True, text=True, check=False
    )


def test_every_loop_that_is_known_is_found_and_follows(tmp_path: Path) -> None:
    """Accelerate, Lightning, its command line and the Trainer in one process, at its rates.

    The loop of Accelerate hands over a scheduler of its own, which makes way. What was attached to
    is said, and the script's own arguments arrive.
    """
    rates = tmp_path / "rates.json"
    loops = ["accelerate", "accelerate_apart", "lightning", "command_line", "transformers"]
    told = ["--schedule", SPEC, "--total", str(UPDATES), "--", str(SCRIPT), str(rates), *loops]
    done = launch(*told, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(rates.read_text(encoding="utf-8"))
    wanted = 0.1 * rw.parse(SPEC).resolve(total=UPDATES).values()
    assert {*found} == {*loops}
    for name in loops:
        np.testing.assert_array_equal(found[name], wanted, err_msg=name)
    for kind in ("SGD", "Module", "Watched"):
        assert f"ratewise run: attached {SPEC} to {kind}" in done.stderr


def test_a_script_without_a_loop_ends_with_its_own_words_and_code(tmp_path: Path) -> None:
    """Nothing was attached: that is said, with code 3; a code of the script's own is kept.

    A `sitecustomize` that would have been imported without ours is imported still.
    """
    (tmp_path / "sitecustomize.py").write_text("print('hidden')", encoding="utf-8")
    hidden = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    script = tmp_path / "a script.py"
    script.write_text("import sys; print(sys.argv[1:]); sys.exit(int(sys.argv[1]))")
    for code, ended in ((0, 3), (7, 7)):
        command = [sys.executable, "-m", "ratewise", "run", "--schedule", SPEC, "--", str(script)]
        done = subprocess.run(
            [*command, str(code)], env=os.environ | hidden, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == ended
        assert done.stdout.split("\n")[-2] == f"['{code}']"
        assert "hidden" in done.stdout
        assert ("no Accelerator to attach to" in done.stderr) == (ended == 3)


def test_what_cannot_be_is_said_before_anything_runs(tmp_path: Path) -> None:
    """A schedule that is none, and a command that is not there; nothing was started."""
    for words in (["--schedule", "Cosin()", "--", "python"], ["--schedule", SPEC, "--", "no-such"]):
        done = launch(*words, folder=tmp_path)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_length_that_the_loop_does_not_know_is_asked_for(tmp_path: Path) -> None:
    """Accelerate does not know how long a loop is; the option is named."""
    rates = tmp_path / "rates.json"
    done = launch("--schedule", SPEC, "--", str(SCRIPT), str(rates), "accelerate", folder=tmp_path)
    assert done.returncode == 1
    assert "--total N" in done.stderr
    assert "Traceback" not in done.stderr
    assert not rates.exists()
