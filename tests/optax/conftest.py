"""Without JAX and Optax there is nothing to test here."""

import pytest

pytest.importorskip("jax")
pytest.importorskip("optax")
