"""Keeps the garbage collector away from what never becomes garbage.

Streamlit collects in full after each rerun. Modules are loaded page by page as people open them, so the freeze at the
start of the server does not know them; without this two thirds of a rerun's time went into walking them.
Source: docs/benchmarks.md.
"""

import gc
import sys

_loaded = 0


def freeze_new_modules() -> None:
    """Take everything alive out of garbage collection if modules have been loaded since the last time."""
    global _loaded
    if len(sys.modules) > _loaded:
        _loaded = len(sys.modules)
        gc.collect()
        gc.freeze()
