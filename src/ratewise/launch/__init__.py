"""A schedule for a script that is not changed: what `ratewise run` starts it with.

The launcher puts `startup/` before everything else on the path of the processes that it starts, and
says in the environment which schedule is meant. `sitecustomize` there, which every Python imports
as it starts, watches for the loops that are known (`hooks`), and gives them the schedule.
"""

__all__: list[str] = []
