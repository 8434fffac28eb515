"""The parts of `ratewise.torch`; import that."""

__all__: list[str] = []
