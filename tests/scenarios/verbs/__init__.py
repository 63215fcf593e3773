"""More words for stories, one module per noun: each has ACTS and SENTENCES as tests/scenarios/interpreter.py does."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType


def modules() -> Iterator[ModuleType]:
    """Every module of this folder, by name."""
    for found in sorted(pkgutil.iter_modules(__path__), key=lambda one: one.name):
        yield importlib.import_module(f"{__name__}.{found.name}")
