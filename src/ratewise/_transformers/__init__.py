"""The parts of `ratewise.transformers`; import that."""

__all__: list[str] = []
