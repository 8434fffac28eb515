"""Choose: probe, predict, prove."""

from ratewise.choose.choosing.choice import Choice, ChoiceInterrupted
from ratewise.choose.choosing.choosing import choose

__all__ = ["Choice", "ChoiceInterrupted", "choose"]
