"""Every snippet in the README and in the documentation does what it is there to show."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from tests import warm
from tests.docs.makers import is_current
from tests.docs.snippets import (
    PAGES,
    ROOT,
    Block,
    blocks,
    commands,
    figures,
    is_run,
    look,
    run,
    save_files,
)

IMPORTED = re.compile(r"`from (ratewise[\w.]*) import ([\w, ]+)`")


def pages_with(language: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, language)]


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", pages_with("python"), ids=page_name)
def test_python_snippets_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page run from top to bottom, and draw the figures that the page shows.

    Those that are kept look as the library draws today, or `python docs/make_figures.py` is due.
    """
    monkeypatch.chdir(tmp_path)
    run(page)
    assert [name for name in figures(page) if not (tmp_path / name).exists()] == []
    kept = ROOT / "docs" / "images" / "drawn"
    looks = {
        name: [look((folder / name).read_text(encoding="utf-8")) for folder in (tmp_path, kept)]
        for name in figures(page)
    }
    assert [name for name, (drawn, old) in looks.items() if drawn != old] == []


@pytest.mark.parametrize("page", pages_with("console"), ids=page_name)
def test_console_commands_succeed(page: Path, tmp_path: Path) -> None:
    """Every `$ ratewise …` line on a page exits with 0, with the files that the page has saved."""
    save_files(page, tmp_path)
    for block in blocks(page, "console"):
        for command in commands(block):
            words = ["-m", "ratewise", *shlex.split(command, comments=True)[1:]]
            done = warm.run(words, imported=warm.CHOOSE, cwd=tmp_path)
            assert done.returncode == 0, f"{block.place}: $ {command}\n{done.stdout}{done.stderr}"


def test_what_a_page_imports_is_there() -> None:
    """Each `from ratewise… import …` in a text or a table, which nothing runs, names what is."""
    named = {found for page in PAGES for found in IMPORTED.findall(page.read_text("utf-8"))}
    assert ("ratewise.optax", "schedule") in named
    missing = [
        f"{module}.{name.strip()}"
        for module, names in sorted(named)
        for name in names.split(",")
        if not hasattr(importlib.import_module(module), name.strip())
    ]
    assert missing == []


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


def test_the_pages_of_shapes_are_what_the_code_says() -> None:
    """The pages of shapes are up to date with the docstrings, and no public shape is missing."""
    import ratewise as rw

    assert is_current("make_shapes"), "run python docs/make_shapes.py"
    others = {"Clip", "Feedback", "Machine", "Move", "Plan", "Product", "Scale", "Schedule"}
    others |= {"ScheduleError", "Sequence", "Simulation"}
    shapes = {name for name in rw.schedule.__all__ if name[0].isupper()} - others
    page = (ROOT / "docs" / "shapes.md").read_text(encoding="utf-8")
    assert [name for name in sorted(shapes) if f"### {name}\n" not in page] == []
    assert {path.stem for path in (ROOT / "docs" / "shapes").glob("*.md")} == shapes
    pictures = {path.stem for path in (ROOT / "docs" / "images" / "shapes").glob("*.svg")}
    assert pictures == shapes - {"Function"}
