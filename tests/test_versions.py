"""What is said of versions is one thing: in the extras, in the pins, and in the README."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = {
    "torch": "PyTorch",
    "transformers": "Transformers",
    "accelerate": "Accelerate",
    "peft": "PEFT",
    "lightning": "Lightning",
    "keras": "Keras",
    "tensorflow-cpu": "TensorFlow",
    "jax": "JAX",
    "optax": "Optax",
    "numpy": "numpy",
}


def pins(name):
    """Versions by name, from a file of pins."""
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def extras():
    """The lower bounds of all extras, each of a kind, as pyproject has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [one for extra in project["optional-dependencies"].values() for one in extra]
    bounds = {}
    for one in asked:
        if match := re.fullmatch(r"([\w-]+)>=([\d.]+)", one):
            assert bounds.setdefault(match[1], match[2]) == match[2]
    return bounds


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_states_what_is_run(name):
    """Oldest and newest in the table are the pins that the two make targets install."""
    row = f"| {NAMES[name]} | {pins('oldest.txt')[name]} | {pins('constraints.txt')[name]} |"
    assert row in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("peft", "numpy")])
def test_extras_ask_for_no_less_than_was_run(name):
    """The lower bound of an extra is the oldest version, up to its last part."""
    bound = extras()[name.removesuffix("-cpu")]
    oldest = pins("oldest.txt")[name]
    assert oldest == bound or oldest.startswith(f"{bound}.")
