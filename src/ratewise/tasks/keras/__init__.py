"""A compiled Keras model as a task."""

__all__: list[str] = []
