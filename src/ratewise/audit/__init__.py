"""The rates that a run was meant to use against those that its log holds."""

from ratewise.audit.recorded import Recorded, recorded

__all__ = ["Recorded", "recorded"]
