"""Every claim about Keras holds on TensorFlow, JAX and PyTorch."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
STRICT = sorted(path for path in HERE.glob("test_*.py") if path.stem != "test_backends")
TASKS = sorted((ROOT / "tests" / "tasks").glob("test_keras_*.py"))
LADDERS = [ROOT / "tests" / "range_test" / "test_keras.py"]
BACKENDS = ["jax", "tensorflow", "torch"]


@pytest.mark.slow
@pytest.mark.skipif("RATEWISE_ONE_BACKEND" in os.environ, reason="this is the run for one backend")
@pytest.mark.parametrize("backend", [one for one in BACKENDS if one != keras.backend.backend()])
def test_the_claims_hold_on(backend: str) -> None:
    """The files of this folder, of the task and of the range test pass on the other backends.

    Properties are tried on a quarter of the examples there: their shapes are the same formulas.
    """
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = pytest_on(backend, *STRICT, *TASKS, *LADDERS)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


def pytest_on(backend: str, *files: Path) -> subprocess.CompletedProcess[str]:
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1", "RATEWISE_QUICK": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, *map(str, files)],
        env={
            **os.environ,
            **quiet,
            "KERAS_BACKEND": backend,
            "RATEWISE_ONE_BACKEND": "1",
            "RATEWISE_QUICK": "1",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def test_keras_that_is_missing_is_asked_for_by_name() -> None:
    """Without keras, importing `ratewise.keras` gives the command that installs it."""
    code = (
        "import sys; sys.modules['keras'] = None\n"
        "try:\n    import ratewise.keras\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'ratewise[keras]'" in done.stdout
