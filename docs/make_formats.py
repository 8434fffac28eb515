"""Write docs/formats.md from the table of shapes that the tests run.

python docs/make_formats.py          writes it
python docs/make_formats.py --check  says whether the page is what would be written
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from pages import write_or_check  # noqa: E402

from ratewise.convert import read  # noqa: E402
from ratewise.convert.table import CONFIGS, ROWS, TOTAL, Row  # noqa: E402
from tests.convert.oracles import config, live  # noqa: E402

PAGE = HERE / "formats.md"
HEAD = """# Shapes in other frameworks

`ratewise.convert.read` takes what is in the second column and gives what is in the third, with the
framework's own rate at every update. The notes are what a user of both has to know; a plan that is
read carries its own, and `ratewise show` prints them.

This page is written by `docs/make_formats.py` from the table that the tests run, for a run of 1,000
updates at a rate of 3e-4 (`o` is an optimizer with that rate).

| shape | framework | there | here | to know |
|---|---|---|---|---|
"""
CONFIG_HEAD = """
## Configs

Read from a mapping, a text or a file; these frameworks are not run in the tests, their traces are
compared with the published formulas.

A file is read and never run. `${a.b}` of OmegaConf, arithmetic on the names of a Python config,
`_base_` of MMEngine, `_BASE_` of Detectron2 and the defaults of Hydra are followed, as far as their
files are there. What cannot be worked out (a call, the environment, a file that is missing) is
refused where the schedule needs it, by its line or its file, and changes nothing elsewhere.

Besides files of keys, these are read:

* a **script**, by the flags of its command. Variables that it sets once, to a text, are put where
  they are used (`LR=3e-4`, `${LR:-3e-4}`, `$((8 * 32))`, `ARGS="…"`); what it sets twice, in a loop
  or from a command, is not known. A flag that two commands give two values is asked about.
* a **command of settings**, `trainer.py actor.optim.lr=1e-6` or `--optim.lr 1e-6`, as the file
  that it would override.
* a **page**: the hyperparameters that a model card lists (`README.md` of a model), else the
  commands in its fences.

`--set KEY=VALUE` puts a value in place of what a file says, nested keys by their path
(`--set lr_scheduler_kwargs.min_lr_rate=0.1`); a key that is not read cannot be set. Of a file that
holds several configs, such as two stages, `--set section=stage2` is one. A config that
states epochs needs one of `--epoch` (updates), `--examples` (samples) or `--total`. Numbers may be
`10k`, `1e4` or `10,000`; `1.000` and `0,5`, which are read in two ways in the world, are refused.

| shape | format | there | here | to know |
|---|---|---|---|---|
"""


def line(row: Row, here: str) -> str:
    """Return one row of the page."""
    cells = (row.shape, row.framework, f"`{row.there}`", f"`{here}`", row.know)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def write() -> str:
    """Return the page."""
    live_rows = [line(row, repr(read(live(row)[0], total=TOTAL).lr)) for row in ROWS]
    more = {"warmup_steps": 50, "base_learning_rate": 0.5}
    configs = [
        line(
            row,
            repr(read(config(row), total=TOTAL, **(more if row.framework == "factors" else {})).lr),
        )
        for row in CONFIGS
    ]
    return HEAD + "".join(live_rows) + CONFIG_HEAD + "".join(configs)


def main() -> int:
    """Write, or check."""
    return write_or_check(PAGE, write())


if __name__ == "__main__":
    raise SystemExit(main())
