"""The parts of the page: each shows one thing of a session, and tells the session what is done."""

__all__: list[str] = []
