"""What the site has beside the pages in this folder, made when it is built.

The pages of the reference come from the packages that can be imported, the pages of the notebooks
from the notebooks, and a file of the repository that a page links to becomes a page.
"""

from __future__ import annotations

import ast
import fnmatch
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OUTSIDE = re.compile(r"\]\(((?:\.\./)+[\w./-]+\.(?:py|md|toml|txt))(#[\w-]+)?\)")
LANGUAGES = {".py": "python", ".toml": "toml", ".txt": "text"}
NO_FACES = {"adapters", "cli", "launch", "view"}
"""Rooms whose names nobody is asked to import."""


# What can be imported --------------------------------------------------------------------------


def faces() -> list[str]:
    """Return the modules whose names are public, `ratewise` first.

    >>> faces()[:2]
    ['ratewise', 'ratewise.advise']
    """
    package = ROOT / "src" / "ratewise"
    found = [*package.glob("*.py"), *package.glob("*/__init__.py")]
    names = {path.stem if path.parent == package else path.parent.name for path in found}
    public = {name for name in names - NO_FACES if not name.startswith("_")}
    return ["ratewise", *(f"ratewise.{name}" for name in sorted(public))]


def reference(face: str) -> str:
    """Return the page of one module: all that its `__all__` names."""
    page = f"# {face}\n\n::: {face}\n    options:\n      show_root_heading: false\n"
    return page + "".join(f"\n::: {name}\n" for name in hidden(face).values())


def hidden(face: str) -> dict[str, str]:
    """Return the public names of a module behind which a reader finds a file, and where they are.

    >>> hidden("ratewise.predict")["bound"]
    'ratewise.predict.bound.bound'
    """
    places = {name: list(_places(face, name)) for name in _public(_tree(face))}
    return {name: way[-1] for name, way in places.items() if any(map(_file, way))}


def _places(module: str, name: str) -> Iterator[str]:
    """Yield where a name is had from, from a module to the one that has it first."""
    yield f"{module}.{name}"
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ratewise"):
            if name not in {alias.name for alias in node.names}:
                continue
            yield from _places(str(node.module), name)
            return


def _file(module: str) -> Path | None:
    path = ROOT.joinpath("src", *module.split("."))
    both = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in both if file.exists()), None)


@cache
def _tree(module: str) -> ast.Module:
    file = _file(module)
    assert file is not None, module
    return ast.parse(file.read_text(encoding="utf-8"))


def _public(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return []


# Notebooks -------------------------------------------------------------------------------------


def notebook_page(path: Path) -> str:
    """Return a notebook as Markdown: its texts, its code, and what the code gave."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = [part for cell in cells for part in _cell(cell)]
    note = f"This page is the notebook `docs/notebooks/{path.name}`, as it ran."
    return "\n\n".join([parts[0], note, *parts[1:]]) + "\n"


def _cell(cell: dict[str, Any]) -> list[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] != "code":
        return [source]
    return [f"```python\n{source}\n```", *map(_output, cell["outputs"])]


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        picture = "".join(data["image/png"]).replace("\n", "")
        return f'<img alt="what the cell drew" src="data:image/png;base64,{picture}">'
    text = "".join(output.get("text", data.get("text/plain", "")))
    return f"`````text\n{text.rstrip()}\n`````"


# Files of the repository that pages link to ----------------------------------------------------


def outside(path: Path) -> dict[str, Path]:
    """Return the links of a page that leave the folder, and the files that they mean."""
    text = path.read_text(encoding="utf-8")
    files = {match[1]: (path.parent / match[1]).resolve() for match in OUTSIDE.finditer(text)}
    return {link: file for link, file in files.items() if HERE not in file.parents}


def place(file: Path) -> str:
    """Return where a file of the repository is in the site."""
    return f"files/{file.relative_to(ROOT).as_posix().removesuffix('.md')}.md"


def file_page(file: Path) -> str:
    """Return a file of the repository as a page."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        return re.sub(r"\]\((?!https?:)[^)]*\)", "]", text)  # its links are those of its folder
    name = file.relative_to(ROOT).as_posix()
    return f"# {name}\n\n```{LANGUAGES[file.suffix]}\n{text}```\n"


# What MkDocs calls -----------------------------------------------------------------------------


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and fill in the navigation."""
    made = {f"reference/{face}.md": reference(face) for face in faces()}
    for path in HERE.glob("notebooks/*.ipynb"):
        made[f"notebooks/{path.stem}.md"] = notebook_page(path)
        files.remove(files.src_uris[f"notebooks/{path.name}"])
    for page in HERE.rglob("*.md"):
        made |= {place(file): file_page(file) for file in outside(page).values()}
    for uri, content in made.items():
        files.append(File.generated(config, uri, content=content))
    if config.nav is not None:
        config.nav = navigation(config.nav, sorted(files.src_uris))
    return files


def on_post_build(config: MkDocsConfig) -> None:
    """Write the index of the search as a script, too: pages on the disk can load nothing else."""
    index = Path(config.site_dir, "search", "search_index.json")
    text = index.read_text(encoding="utf-8")
    index.with_suffix(".js").write_text(f"var __index = {text}", encoding="utf-8")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to files of the repository lead to their pages."""
    path = HERE / page.file.src_uri
    if not path.exists():
        return markdown
    up = "../" * page.file.src_uri.count("/")
    for link, file in outside(path).items():
        markdown = markdown.replace(f"]({link}", f"]({up}{place(file)}")
    return markdown


def navigation(nav: list[Any], uris: list[str]) -> list[Any]:
    """Return the navigation with patterns filled in, and what it forgets at its end."""
    pages = [uri for uri in uris if uri.endswith(".md") and not uri.startswith("files/")]
    filled = [_filled(entry, pages) for entry in nav]
    named = set(re.findall(r"'([^']+\.md)'", repr(filled)))
    rest = [uri for uri in pages if uri not in named]
    return [*filled, {"More": rest}] if rest else filled


def _filled(entry: Any, pages: list[str]) -> Any:
    if isinstance(entry, dict):
        ((title, inside),) = entry.items()
        if isinstance(inside, str):
            return {title: _matches(inside, pages) if "*" in inside else inside}
        named = {part for part in inside if isinstance(part, str)}
        others = [page for page in pages if page not in named]
        return {title: [one for part in inside for one in _spread(part, others)]}
    return entry


def _spread(part: Any, pages: list[str]) -> list[Any]:
    if isinstance(part, str) and "*" in part:
        return _matches(part, pages)
    return [_filled(part, pages)]


def _matches(pattern: str, pages: list[str]) -> list[str]:
    return fnmatch.filter(pages, pattern.replace(".ipynb", ".md"))
