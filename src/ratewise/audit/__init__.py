"""The rates that a run was meant to use, held against those that its log holds.

`audit` reads a log and a plan, and says where they part, by how much and why: every known mistake
is tried on the log as a hypothesis, and those that explain it are ranked. A log that cannot tell is
never an accusation. Without a plan it names the schedule that reproduces the log.
"""

from ratewise.audit.api import audit
from ratewise.audit.recorded import Recorded, recorded
from ratewise.audit.result import Audit, Cause, Departure

__all__ = ["Audit", "Cause", "Departure", "Recorded", "audit", "recorded"]
