"""Every snippet in the README and in the documentation does what it is there to show."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import warm

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"# *not run\b[:,]? *(.*)")


class Block(NamedTuple):
    """A fenced block of one page."""

    page: Path
    line: int
    language: str
    code: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def blocks(page: Path, language: str) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, match.start(2)) + 1, match.group(1), match.group(2))
        for match in FENCE.finditer(text)
        if match.group(1) == language
    ]


def is_run(block: Block) -> bool:
    """Whether a block is to be run; one that is not has to say why."""
    excuse = NOT_RUN.match(block.code)
    if excuse is None:
        return True
    assert excuse.group(1).strip(), f"{block.place} is not run and does not say why"
    return False


def commands(block: Block) -> Iterator[str]:
    """The `$ ratewise …` lines of a console block, with continued lines joined."""
    for line in block.code.replace("\\\n", " ").splitlines():
        if line.startswith("$ ratewise"):
            yield line.removeprefix("$ ")


def pages_with(language: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, language)]


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", pages_with("python"), ids=page_name)
def test_python_snippets_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page run from top to bottom, each seeing what the ones before it made."""
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in filter(is_run, blocks(page, "python")):
        # Line numbers in a traceback are those of the page.
        code = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            exec(code, namespace)


@pytest.mark.parametrize("page", pages_with("console"), ids=page_name)
def test_console_commands_succeed(page: Path, tmp_path: Path) -> None:
    """Every `$ ratewise …` line on a page exits with 0."""
    for block in blocks(page, "console"):
        for command in commands(block):
            words = ["-m", "ratewise", *shlex.split(command, comments=True)[1:]]
            run = warm.run(words, imported=warm.CHOOSE, cwd=tmp_path)
            assert run.returncode == 0, f"{block.place}: $ {command}\n{run.stdout}{run.stderr}"


def test_a_block_that_is_not_run_says_why() -> None:
    """`# not run` alone is refused; with a reason it is an excuse."""
    page = ROOT / "README.md"
    assert not is_run(Block(page, 1, "python", "# not run: needs four GPUs\n1 / 0\n"))
    assert is_run(Block(page, 1, "python", "print(1)\n"))
    with pytest.raises(AssertionError, match="does not say why"):
        is_run(Block(page, 1, "python", "# not run\n1 / 0\n"))


def test_a_continued_command_is_one_command() -> None:
    """Only `$ ratewise` lines are commands; a backslash joins them with the next line."""
    code = "$ ratewise show 'Hold()' \\\n    --total 10\nsome output\n$ make test\n"
    found = list(commands(Block(ROOT / "README.md", 1, "console", code)))
    assert [shlex.split(command) for command in found] == [
        ["ratewise", "show", "Hold()", "--total", "10"]
    ]


def test_the_page_of_shapes_is_what_the_code_says() -> None:
    """`docs/shapes.md` is up to date with the docstrings, and no public shape is missing."""
    import ratewise as rw

    check = subprocess.run([sys.executable, str(ROOT / "docs" / "make_shapes.py"), "--check"])
    assert check.returncode == 0, "run python docs/make_shapes.py"
    page = (ROOT / "docs" / "shapes.md").read_text(encoding="utf-8")
    others = {"Clip", "Feedback", "Machine", "Move", "Plan", "Product", "Scale", "Schedule"}
    others |= {"ScheduleError", "Sequence", "Simulation"}
    shapes = [name for name in rw.__all__ if name[0].isupper() and name not in others]
    assert [name for name in shapes if f"### {name}\n" not in page] == []
