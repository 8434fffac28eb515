"""A Transformers `Trainer` as a task."""

__all__: list[str] = []
