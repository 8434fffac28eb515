"""The fenced blocks of a page, and how they run."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```([\w-]+)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
SAVED = re.compile(r"# ([\w-]+\.py)\n")
NOT_RUN = re.compile(r"# *not run\b[:,]? *(.*)")
DRAWN = re.compile(r"!\[[^]]*\]\(((?:\.\./|docs/)?images/drawn/([\w-]+\.svg))\)")
LOOK = re.compile(r'viewBox="[^"]+"|#[0-9a-f]{6}\b|stroke-width: [\d.]+|DejaVuSans-[0-9a-f]+')
STAMP = "<!-- drawn by the code with the hash {} -->\n"


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


def run(page: Path) -> None:
    """Run the Python blocks of a page from top to bottom, in the folder that is current."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in filter(is_run, blocks(page, "python")):
        # Line numbers in a traceback are those of the page.
        code = compile("\n" * (block.line - 1) + block.code, str(page), "exec")
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            # Keras asks TensorFlow for a copy in a way that numpy 2 frowns at.
            warnings.filterwarnings("ignore", ".*copy keyword", DeprecationWarning, r"keras\.")
            exec(code, namespace)


def save_files(page: Path, folder: Path) -> None:
    """Write the blocks that begin with the name of a file, as the page asks its reader to."""
    for block in blocks(page, "python"):
        if name := SAVED.match(block.code):
            (folder / name.group(1)).write_text(block.code, encoding="utf-8")


def commands(block: Block) -> Iterator[str]:
    """The `$ ratewise …` lines of a console block, with continued lines joined."""
    for line in block.code.replace("\\\n", " ").splitlines():
        if line.startswith("$ ratewise"):
            yield line.removeprefix("$ ")


def figures(page: Path) -> list[str]:
    """The names of the figures that a page shows and draws."""
    return [match.group(2) for match in DRAWN.finditer(page.read_text(encoding="utf-8"))]


def look(svg: str) -> set[str]:
    """What a figure looks like whatever it shows: its size, colours, widths of lines, letters."""
    return set(LOOK.findall(svg))


def stamp(page: Path, figure: str) -> str:
    """What the file of a figure begins with: the hash of the code that draws it, up to its name."""
    code = "\n".join(block.code for block in blocks(page, "python"))
    end = code.index(f'"{figure}"')
    return STAMP.format(hashlib.sha256(code[:end].encode()).hexdigest()[:16])
