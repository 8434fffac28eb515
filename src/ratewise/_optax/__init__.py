"""The parts of `ratewise.optax`; import that."""

__all__: list[str] = []
