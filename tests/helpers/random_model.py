"""The maker of random models, which benchmarks and tests share."""

from amanuensis.benchmarks.random_model import RandomModel, make_random_model, special_tokens

__all__ = ["RandomModel", "make_random_model", "special_tokens"]
