"""What to put into your own tests: schedules that keep promises, runs that use their rates."""

from ratewise.testing.conformance import check_schedule
from ratewise.testing.guard import RateGuard, RateWarning
from ratewise.testing.tracing import Trace, trace

__all__ = ["RateGuard", "RateWarning", "Trace", "check_schedule", "trace"]
