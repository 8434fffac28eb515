"""Files and texts as plain values: read within limits, never run, never unpickled.

Whatever is handed in, the answer is a value or one `ScheduleError`, in little time and memory.
What a config says and cannot be worked out is `Unknown`, which no reader takes for a value.
"""

from ratewise.convert.sources.load import load

__all__ = ["load"]
