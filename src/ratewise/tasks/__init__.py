"""What can be trained: a task opens a run, which trains, measures, saves and restores.

One folder per framework makes a task of what its users have: a loop, a Trainer, a module, a model.
"""

from ratewise.tasks.protocols import Losses, Parts, Rates, Run, Task

__all__ = ["Losses", "Parts", "Rates", "Run", "Task"]
