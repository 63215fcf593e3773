"""After every test about money the books must add up, as after every test of an operation."""

from tests.operations.conftest import books_add_up

__all__ = ["books_add_up"]
