"""Logs that others have published are read as a person reads them, and none is accused wrongly."""

from __future__ import annotations

import pytest

from tests.audit.logs import FOLDER, ROOT, Known, found_in, health_of, is_there, known, markdown

pytestmark = pytest.mark.skipif(
    not is_there(), reason=f"no logs in {FOLDER.name} beside the checkout"
)

FINDINGS = {
    8: {"stopped_short"},
    16: {"stopped_short"},
    36: {"stopped_short"},
    40: {"loss_never_fell"},
    50: {"peak_not_reached"},
}
"""What is the matter with some: left at 86, 99 and 33 % of the peak; a loss that stays at ln 4; a
run that is all warm-up. The others are healthy."""

HIDDEN = {42}
"""Logs whose warm-up is over before their first row, and known by the length of the run alone."""


@pytest.mark.parametrize("one", known(), ids=lambda one: str(one.number))
def test_shape_peak_and_warmup_are_as_by_hand(one: Known) -> None:
    """To the last bit of what was logged; of half of them without being told the length too."""
    low, high = one.warmup
    for told in (True, False) if one.number % 4 == 0 else (True,):
        found = found_in(one, told)
        assert found.family == one.shape
        assert found.exact
        if one.peak is not None:
            assert found.peak == pytest.approx(one.peak, rel=1e-3)
        if one.shape != "warm-up only" and (told or one.number not in HIDDEN):
            assert low * 0.99 <= found.warmup <= max(high * 1.01, high)
        if told and found.total is not None:
            assert found.total == one.planned
        assert found.convention in (one.convention or found.convention, "unknown")


@pytest.mark.parametrize("one", known(), ids=lambda one: str(one.number))
def test_skipped_updates_are_named_where_there_are_some(one: Known) -> None:
    """And nowhere else; one log that was thought to have some has none, its warm-up is longer."""
    found = found_in(one)
    skips = one.skips and one.number != 40
    assert bool(found.skipped) == (skips or one.number == 42)
    assert any("skipped" in note for note in found.notes) == bool(found.skipped)


def test_the_convention_is_told_where_nothing_was_skipped() -> None:
    """All logs tell it whose rate moves and whose clock never stood still."""
    open_ones = [one.number for one in known()
                 if one.convention and found_in(one).convention == "unknown"]  # fmt: skip
    skipping = {one.number for one in known() if one.skips or one.number == 42}
    assert set(open_ones) <= skipping


@pytest.mark.parametrize("one", known(), ids=lambda one: str(one.number))
def test_no_healthy_run_is_accused(one: Known) -> None:
    """What is found is what is there, and of the others nothing is said."""
    assert {each.kind for each in health_of(one)} == FINDINGS.get(one.number, set())


def test_the_page_is_up_to_date() -> None:
    """`docs/audit-logs.md` says what is said of these logs today."""
    page = (ROOT / "docs" / "audit-logs.md").read_text(encoding="utf-8")
    assert page.endswith(markdown()), "run python docs/make_audit_logs.py"
