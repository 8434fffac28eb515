"""Numbers to pictures and tables: terminal, matplotlib, HTML. Reads nothing, decides nothing."""

__all__: list[str] = []
