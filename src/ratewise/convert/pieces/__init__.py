"""One library of pieces, from which the readers of configs are put together."""
