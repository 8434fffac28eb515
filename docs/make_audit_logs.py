"""Write docs/audit-logs.md from logs that others have published.

python docs/make_audit_logs.py          writes it
python docs/make_audit_logs.py --check  says whether the page is what would be written

It needs the logs, which are not part of the package; see tests/audit/logs.py for where they are.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from pages import write_or_check  # noqa: E402

from tests.audit.logs import is_there, known, markdown  # noqa: E402

PAGE = ROOT / "docs" / "audit-logs.md"
HEAD = """# Real logs, read without being told

What `infer` and `health` say of the rates and losses in {count} logs that a Trainer of Transformers
has written and others have published, at most 60 rows of each. Nothing is told but the number of
updates that the run was planned for, which a `trainer_state.json` says too. *By hand* is what a
person has found of the same numbers.

Where updates were skipped at the beginning, nobody can tell from the rates alone whether one more
was skipped or the log shows the rate of the update to come: then it says so. A log ends inside its
schedule where its run was stopped, or where it is that of a checkpoint on the way.

"""


def main() -> int:
    """Write the page, or check it."""
    if not is_there():
        print("the logs are not here: name their folder in RATEWISE_TRAINER_LOGS", file=sys.stderr)
        return 2
    text = HEAD.format(count=len(known())) + markdown()
    return write_or_check(PAGE, text)


if __name__ == "__main__":
    sys.exit(main())
