"""What the tests of all commands share: typing one, in this process or in one of its own."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from pathlib import Path

from typer import testing
from typer.testing import CliRunner, Result

from ratewise.cli import app

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(r"error: \S.* .*: \S.*\.")
"""An error: who, rule and fix in one line."""


# It is made of the same functions every time, and making it takes longer than most commands.
testing._get_command = functools.cache(testing._get_command)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


def error_of(*words: str) -> str:
    """Return the one line that wrong input is answered with."""
    result = run(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("error: ").strip()


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src")]), **environment}
    words = (sys.executable, "-m", "ratewise", *words)
    return subprocess.run(words, capture_output=True, text=True, env=env, encoding="utf-8")


def failure_of(stderr: str, file: str) -> str:
    """Return the line of a failure; before it there may be frames of one file, and no others."""
    *before, line = stderr.strip().splitlines()
    assert LINE.fullmatch(line), stderr
    frames = [told for told in before if told.lstrip().startswith("File ")]
    assert all(f'{file}", line ' in told for told in frames), stderr
    rest = [told for told in before if told not in frames]
    assert len(rest) <= 12 + len(frames), stderr
    return line
