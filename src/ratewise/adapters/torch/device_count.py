"""The count of a clock on a device, and the values that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_
from typing import Any

from ratewise.adapters.torch.clock import Clock
from ratewise.adapters.torch.device import outside_graphs
from ratewise.adapters.torch.hands import held, is_ours, mark
from ratewise.adapters.torch.layout import TableLayout
from ratewise.adapters.torch.refusals import refuse_replayed
from ratewise.adapters.torch.source import Source
from ratewise.adapters.torch.table import RateTable


class DeviceCount(Clock):
    """The part of a clock on a device that is asked from the host: it waits for the device.

    Only `moment`, `announce` and `recall`, which trainers call at every update, do not.
    """

    on_device = True

    def __init__(self, source: Source, policy: str | None, by_hand: str = "warn") -> None:
        self._table: RateTable | None = None
        self._laid: TableLayout | None = None
        self._retired: list[tuple[RateTable, int]] = []
        self._begun = 0  # the count until there is a table
        self._row_at = -1
        self._due = self._unseen = self._off = self._on_card = False
        self._heard = self._room = self._moved = 0
        self._eager = outside_graphs()
        super().__init__(source, policy, by_hand)

    # The count ------------------------------------------------------------------------------

    @property
    def t(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Committed updates; waits for the device, and hears what it has found."""
        if self._table is None:
            return self._begun
        count, _, touched = self._table.read()
        self._heard = count
        for table, stood_at in self._retired:
            if table.read()[0] != stood_at:
                self._retired = [(one, one.read()[0]) for one, _ in self._retired]
                raise refuse_replayed()
        if touched:
            self._table.touched.fill_(False)
            self.hands.meet_unseen(count)
        return count

    @t.setter
    def t(self, value: int) -> None:
        if self._table is None:
            self._begun = value
        else:
            self._table.set_count(value)
            self._heard = value

    @property
    def _next(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.t

    @_next.setter
    def _next(self, value: int) -> None:
        """Accept what the clock on the host keeps beside its count; here it is the count."""

    def moment(self) -> int:
        """Return where the clock stands as far as the host has heard, without asking the device.

        Steps that it cannot hear may have been made at any time.
        """
        self._heard += self._unseen
        return self._heard

    # Values ---------------------------------------------------------------------------------

    def last(self) -> list[float]:
        """Return the values of the last committed update, one for each cell."""
        t = self.t
        if t != self._row_at:
            self._row, self._row_at = self.row(max(t - 1, 0)), t
        return self._row

    def coming(self) -> list[float]:
        """Return the values of the coming update, one for each cell."""
        return self.row(self.t)

    def set_last(self) -> None:
        """Take as written last what the last committed update would have used."""
        self._row_at = t = self.t
        self._row = self.row(max(t - 1, 0))
        if self._table is not None and (self.feedback or not self._table.whole):
            self._lay_table()

    def set(self, t: int) -> None:
        """Set the clock to `t` committed updates; `lay_out` or `set_last` comes next."""
        self.t = t
        self._row_at = self._announced = -1

    def observe(self, metrics: Mapping[str, Any]) -> None:
        """Show the feedback schedules what was measured; the levels to come are laid out anew."""
        self.last()  # which is to stay what it was
        self.feedback.observe(self.t + self.shift, metrics)
        self._rows = []
        if self.feedback:
            self._lay_table()
        if self.announced:
            self.heed()
            self.write_coming()

    # In place -------------------------------------------------------------------------------

    @property
    def announced(self) -> bool:
        """Whether the values of the coming update are in place; waits for the device."""
        return self._table is not None and self._table.read()[1]

    def announce(self) -> None:
        """Put the values of the coming update in place; asks no device."""
        if self._announced != -1 and not self._unseen:
            return
        if self._table is None or not self._holds_ours(self._table):
            self.heed()
        self.write_coming()

    def recall(self) -> None:
        """Put the values of the last update in place, if those of the coming one are there."""
        if self._table is not None and self._announced != -1:
            self._announced = -1
            self._table.recall()
            self._note_placed()

    def write_coming(self) -> None:
        """Put the values of the coming update in place before it, for who reads them there."""
        if self._table is not None:
            if self._unseen and self.hands.policy != "ignore":
                self._table.look()
            self._table.announce()
            self._announced = 0  # as far as the host knows
            self._note_placed()

    def heed(self) -> None:
        """See to values that somebody else has put in place of ours, by the policy for them."""
        super().heed()
        self._note_placed()

    def seen(self, value: Any) -> float | None:
        """Return a value that is not ours; it is read from its device, once for each time."""
        try:
            return float(value)
        except (TypeError, ValueError, RuntimeError):
            return None

    def _put(self, values: list[float]) -> None:
        if self._table is not None:
            self._table.put(values)
            self._note_placed()

    def _note_placed(self) -> None:
        self._placed = list(map(mark, held(self._cells)))

    def _holds_ours(self, table: RateTable) -> bool:
        """Tell whether the groups hold our tensors, and nobody else has written to them.

        A step that went unheard has written to them as well: then the device looks.
        """
        found = held(self._cells)
        return (
            len(found) == len(table.tensors)
            and all(map(is_, found, table.tensors))
            and (self._unseen or all(map(is_ours, found, self._placed)))
        )

    def _lay_table(self) -> None:
        """Put the levels on the device."""
        raise NotImplementedError
