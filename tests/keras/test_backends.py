"""Every claim about Keras holds on TensorFlow, JAX and PyTorch."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted(str(path) for path in HERE.glob("test_*.py") if path.stem != "test_backends")
NOISE = "ignore:__array__ implementation:DeprecationWarning"  # of Keras itself under numpy 2


@pytest.mark.slow
@pytest.mark.skipif("KERAS_BACKEND" in os.environ, reason="this is the run for one backend")
@pytest.mark.parametrize("backend", ["jax", "tensorflow", "torch"])
def test_the_claims_hold_on(backend: str) -> None:
    """Every file of this folder passes on the backend, with every warning an error."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    done = pytest_on(backend, *FILES)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def pytest_on(backend: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, "-W", "error", "-W", NOISE, *arguments],
        env={**os.environ, **quiet, "KERAS_BACKEND": backend},
        cwd=HERE.parent.parent,
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
