"""What the public faces of the frameworks are made of: clocks, groups, states, one folder each."""

__all__: list[str] = []
