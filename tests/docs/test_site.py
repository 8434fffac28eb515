"""The site: it builds without a warning, leads everywhere, needs nobody else, and runs."""

from __future__ import annotations

import doctest
import html
import importlib
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote

import pytest

from tests.docs.snippets import PAGES, ROOT, figures
from tests.test_house import exports
from tests.view.browser import browser

pytest.importorskip("mkdocs")
pytest.importorskip("mkdocstrings")

DOCS = ROOT / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
DRAWN = DOCS / "images" / "drawn"
LINK = re.compile(r'(?:href|src)="([^"]*)"')
LOADED = re.compile(r'<(?:script|link|img|iframe|source)\b[^>]*(?:src|href)="([^"]*)"')
ID = re.compile(r'\bid="([^"]*)"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(folder)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    run = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=quiet)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module(name)


def test_every_public_name_is_in_the_reference(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a public module names in `__all__` has an entry under that very name."""
    import ratewise.schedule

    inventory = (site / "objects.inv").read_bytes().split(b"zlib.\n", 1)[1]
    there = {line.split(" ")[0] for line in zlib.decompress(inventory).decode().splitlines()}
    hooks = script("hooks", monkeypatch)
    faces = hooks.faces()
    assert {"ratewise", "ratewise.torch", "ratewise.choose", "ratewise.audit"} <= set(faces)
    missing = []
    for face in faces:
        path = ROOT.joinpath("src", *face.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        names = exports(path)
        assert names is not None, face
        if face == "ratewise.schedule":  # its list is put together from its files
            names = ratewise.schedule.__all__
        hidden = hooks.hidden(face)  # a function behind a file of its name has the name of both
        entries = [hidden.get(name, f"{face}.{name}") for name in names]
        missing += [entry for entry in entries if entry not in there]
    assert missing == []


def test_no_link_leads_nowhere(site: Path) -> None:
    """Each link of each page, those of the reference too, has a file and an anchor."""
    pages = {path.resolve(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    anchors = {path: set(map(html.unescape, ID.findall(text))) for path, text in pages.items()}
    broken = []
    for path, text in pages.items():
        if path.name == "404.html":
            continue
        for link in set(map(html.unescape, LINK.findall(text))):
            if re.match(r"(?:https?|mailto|data):", link):
                continue
            target, _, anchor = link.partition("#")
            file = (path.parent / unquote(target)).resolve() if target else path
            file = file / "index.html" if file.is_dir() else file
            known = anchors.get(file, {anchor})
            if not file.exists() or (anchor and unquote(anchor) not in known):
                broken.append(f"{path.relative_to(site.resolve())}: {link}")
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """No page asks another host for a script, a font, a style or a picture."""
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        foreign = [url for url in LOADED.findall(text) if re.match(r"(?:https?:)?//", url)]
        assert foreign == [], path.name
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"url\(\s*['\"]?(?:https?:)?//", text), path.name


def test_the_search_finds_without_a_server(site: Path) -> None:
    """On a page that is opened from the disk, in a folder too; and nothing goes wrong there."""
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((site / "quickstart" / "pytorch.html").as_uri())
        page.wait_for_function("'__index' in window")  # what was typed before is not looked for
        page.locator(".md-search__input").press_sequentially("plateau", delay=50)
        page.wait_for_selector(".md-search-result__link[href*='shapes/Plateau.html']")
        assert said == []


def test_a_page_that_is_not_in_the_navigation_is_reached_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Patterns are filled in, and what is left stands at the end."""
    navigation = script("hooks", monkeypatch).navigation
    nav = ["index.md", {"Notes": ["notes/first.md", "notes/*.md"]}]
    pages = ["index.md", "new.md", "notes/a.md", "notes/b.md", "notes/first.md"]
    assert navigation(nav, [*pages, "picture.png"]) == [
        "index.md",
        {"Notes": ["notes/first.md", "notes/a.md", "notes/b.md"]},
        {"More": ["new.md"]},
    ]


@pytest.mark.parametrize("name", ["hooks", "docstrings"])
def test_what_builds_the_site_does_what_its_examples_say(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The examples in the docstrings of these files run, and there are some."""
    failed, tried = doctest.testmod(script(name, monkeypatch))
    assert tried > 0
    assert failed == 0


# What the pages show -------------------------------------------------------------------------


def test_the_figures_are_those_that_the_pages_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """At least 15 figures come from code that is shown; each was drawn by it, and none is left."""
    drawn = [name for page in PAGES for name in figures(page)]
    assert len(set(drawn)) >= 15
    assert set(drawn) == {path.name for path in DRAWN.iterdir()}
    make = script("make_figures", monkeypatch)
    old = [page.name for page in PAGES if not make.current(page)]
    assert old == [], "run python docs/make_figures.py"


def test_a_figure_is_the_same_each_time_that_it_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn again, a picture has the same bytes; drawn by other code, it is found to be old."""
    matplotlib = pytest.importorskip("matplotlib")
    make = script("make_figures", monkeypatch)
    monkeypatch.setattr(make, "DRAWN", tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    page = tmp_path / "page.md"
    code = 'import ratewise as rw\n\nrw.show("Cosine(to=0)", 100).save("wave.svg")\n'
    page.write_text(f"```python\n{code}```\n\n![wave](images/drawn/wave.svg)\n")
    with matplotlib.rc_context():
        make.draw(page)
        first = (tmp_path / "wave.svg").read_bytes()
        make.draw(page)
    assert (tmp_path / "wave.svg").read_bytes() == first
    assert make.current(page)
    page.write_text(page.read_text().replace("to=0", "to=0.1"))
    assert not make.current(page)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_from_its_first_cell_to_its_last(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a kernel of its own no cell fails, and something is drawn."""
    pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    ran = script("make_notebooks", monkeypatch).run(path, tmp_path)
    kept = nbformat.read(path, as_version=4)
    assert [cell.source for cell in ran.cells] == [cell.source for cell in kept.cells]
    for cell in ran.cells:
        if cell.cell_type == "code":
            assert not [one for one in cell.outputs if one.output_type == "error"]
            assert cell.execution_count
    pictures = [c for c in ran.cells if "image/png" in str(c.get("outputs", ""))]
    assert pictures


def test_the_notebooks_are_kept_as_they_ran() -> None:
    """Every cell of code has been run, in order, and none has failed."""
    nbformat = pytest.importorskip("nbformat")
    assert len(NOTEBOOKS) == 3
    for path in NOTEBOOKS:
        cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
