"""What the tests of the journal share."""

from __future__ import annotations

import pytest

from ratewise.choose import compare
from tests.choose.journal.tasks import ASKED, SCHEDULES, Bowl


@pytest.fixture(scope="session")
def truth():
    """The comparison, without a journal and undisturbed."""
    return compare(Bowl(), SCHEDULES, **ASKED)
