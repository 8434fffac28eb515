"""The page of the trainers is current, whole, and says what the guarantees say."""

from __future__ import annotations

from tests.docs.makers import is_current
from tests.guarantees.table import GUARANTEES
from tests.trainers.ledger import COLUMNS, ROOT, collect

SUITE = {
    "PyTorch loop": "torch", "Transformers Trainer": "transformers", "Lightning": "lightning",
    "Accelerate": "accelerate", "Keras": "keras", "Optax": "optax",
}  # fmt: skip
CLAIMS = {
    "rates exact": "Accumulation over 1, 4 or 16 micro-batches changes nothing",
    "log right": "The rate in the log of update k is the one it used, in every group",
    "resume by our state": "Stopped and resumed, the trace is the whole run's",
    "killed and resumed": "Killed with SIGKILL at a random update and resumed, too",
    "metric heard": "A plateau behind a warm-up is followed, and can be played again",
}
"""What holds a column in the suite of the guarantees."""

ROWS = {
    "torch": "pytorch loop", "keras": "keras", "optax": "optax", "lightning": "lightning",
    "transformers": "transformers trainer",
}  # fmt: skip


def test_the_page_is_what_the_tests_say() -> None:
    """`docs/trainers.md` is up to date."""
    assert is_current("make_trainers"), "run python docs/make_trainers.py"


def test_no_cell_is_empty_and_no_adapter_without_a_row() -> None:
    """Each row has every column, once; each framework with an adapter has a row."""
    cells = collect()
    rows: dict[str, list[str]] = {}
    for cell in {(cell.trainer, cell.column) for cell in cells}:
        rows.setdefault(cell[0].lower(), []).append(cell[1])
    assert all(sorted(columns) == sorted(COLUMNS) for columns in rows.values())
    adapters = (ROOT / "src" / "ratewise" / "adapters").glob("[a-z]*/")
    faces = {path.name for path in adapters if (path / "__init__.py").exists()}
    assert {ROWS.get(face, face) for face in faces} <= {*rows}
    for cell in cells:
        assert cell.test or len(cell.note) > 20


def test_what_the_guarantees_hold_is_said_as_they_say_it() -> None:
    """The same tests, for the frameworks and the columns that their suite has."""
    cells = {(cell.trainer, cell.column): cell for cell in collect()}
    claims = {guarantee.claim: guarantee for guarantee in GUARANTEES}
    for row, framework in SUITE.items():
        for column, claim in CLAIMS.items():
            kind, test = claims[claim].cell(framework)
            assert kind == "held"
            assert cells[row, column].test == test
            assert cells[row, column].note == claims[claim].notes.get(framework, "")
