"""Run the notebooks, and keep what they gave.

python docs/make_notebooks.py   runs each in a kernel of its own and writes it back
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

NOTEBOOKS = Path(__file__).parent / "notebooks"


def run(path: Path, folder: Path) -> Any:
    """Return a notebook as it is behind a run in a folder; a cell that fails raises."""
    notebook: Any = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    with tempfile.TemporaryDirectory() as sockets:
        manager = {"connection_file": f"{sockets}/kernel.json"}
        if os.name == "posix":  # a socket in a folder: no port that somebody else may take
            manager |= {"transport": "ipc", "ip": f"{sockets}/socket"}
        config = Config({"KernelManager": manager})
        NotebookClient(notebook, config=config, resources=resources, timeout=300).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran is nobody's business
    return notebook


def main() -> None:
    """Run them all."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        nbformat.write(run(path, NOTEBOOKS), path)


if __name__ == "__main__":
    main()
