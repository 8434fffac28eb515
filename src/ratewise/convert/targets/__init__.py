"""What plans are written as: code and configs that need one framework alone."""

from ratewise.convert.targets import deepspeed, keras, lightning, optax, torch, transformers

__all__ = ["deepspeed", "keras", "lightning", "optax", "torch", "transformers"]
