"""The wheel, installed alone: what works without extras, and what to install when it does not."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PLAN = "Warmup('5%') >> Cosine(to=0)"

pytestmark = pytest.mark.slow


class Installed(NamedTuple):
    """A fresh environment that holds the wheel and its core dependencies."""

    wheel: Path
    bin: Path
    folder: Path

    @property
    def pip(self) -> tuple[str, ...]:
        """Our own pip, which works on the environment from outside: it holds none of its own."""
        python = str(self.bin / "python")
        pip = ("-m", "pip", "--disable-pip-version-check", "--python", python)
        return (sys.executable, *pip)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment, far from the source, on a wide plain terminal."""
        plain = {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", "PYTHONUTF8": "1"}
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        return subprocess.run(
            [str(self.bin / words[0]), *words[1:]],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=clean | plain,
        )


def words_of(run: subprocess.CompletedProcess[str]) -> str:
    """All that a program said, on one line: a terminal may have broken it anywhere."""
    return " ".join((run.stdout + run.stderr).split())


def checked(*words: str | Path) -> None:
    run = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, words_of(run)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    checked(
        *(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist")
    )
    (wheel,) = (folder / "dist").glob("*.whl")
    venv.create(folder / "env")
    programs = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    made = Installed(wheel, programs, folder)
    constraints = ROOT / "requirements" / "constraints.txt"
    checked(*made.pip, "install", "--quiet", "--no-compile", "--constraint", constraints, wheel)
    return made


def test_the_wheel_holds_the_package_and_nothing_else(installed: Installed) -> None:
    """The wheel is typed, licensed, and brings no tests along."""
    names = zipfile.ZipFile(installed.wheel).namelist()
    assert "ratewise/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"ratewise"}


def test_the_core_brings_four_libraries(installed: Installed) -> None:
    """Without extras: no framework, no plotting library, no pandas, and no scipy."""
    words = [*installed.pip, "list", "--format", "freeze"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    names = {line.partition("==")[0].lower() for line in listed.splitlines()}
    assert {"ratewise", "numpy", "typer", "rich", "plotext"} <= names
    assert names.isdisjoint(
        {"torch", "keras", "tensorflow", "jax", "transformers", "scipy", "matplotlib", "pandas"}
    )


def test_import_loads_numpy_and_nothing_heavier(installed: Installed) -> None:
    """`import ratewise` adds only itself and the standard library to what numpy loads."""
    script = (
        "import sys, numpy; before = set(sys.modules); import ratewise; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(*(new - sys.stdlib_module_names - {'numpy'}))"
    )
    run = installed.run("python", "-c", script)
    assert (run.returncode, run.stdout.split()) == (0, ["ratewise"]), run.stderr


def test_show_draws_without_extras(installed: Installed) -> None:
    """`ratewise show` draws a schedule in the terminal with the core alone."""
    run = installed.run("ratewise", "show", PLAN, "--total", "1000")
    assert run.returncode == 0, words_of(run)
    assert len(run.stdout.splitlines()) >= 10
    assert any(mark in run.stdout for mark in "┤┼│█▀▄▌▐▖▗▘▝▞▚⠁⡀⣀")


def test_python_m_ratewise_is_the_command(installed: Installed) -> None:
    """`python -m ratewise` and `ratewise` are the same program."""
    by_module = installed.run("python", "-m", "ratewise", "show", PLAN, "--total", "1000")
    by_script = installed.run("ratewise", "show", PLAN, "--total", "1000")
    assert (by_module.returncode, by_module.stdout) == (0, by_script.stdout)


def test_a_picture_names_the_extra_it_needs(installed: Installed) -> None:
    """`--png` without matplotlib fails, and says what to install."""
    run = installed.run("ratewise", "show", PLAN, "--total", "1000", "--png", "x.png")
    assert run.returncode != 0
    assert "pip install 'ratewise[plot]'" in words_of(run)
    assert "Traceback" not in words_of(run)
    assert not (installed.folder / "x.png").exists()


def test_the_torch_room_names_its_extra(installed: Installed) -> None:
    """`import ratewise.torch` without torch is an ImportError that says what to install."""
    script = "try:\n    import ratewise.torch\nexcept ImportError as error:\n    print(error)"
    run = installed.run("python", "-c", script)
    assert run.returncode == 0, run.stderr
    assert "pip install 'ratewise[torch]'" in run.stdout


def test_compare_names_its_extra(installed: Installed) -> None:
    """`ratewise compare` says at once what it will need to judge with, not after the training."""
    task = installed.folder / "task.py"
    task.write_text("task = None\n", encoding="utf-8")
    run = installed.run("ratewise", "compare", f"{task.name}:task", PLAN, "Hold()", "--total", "60")
    assert run.returncode != 0
    assert "pip install 'ratewise[search]'" in words_of(run)
    assert "Traceback" not in words_of(run)
