"""Settings & health: its tabs in the order shown. A tab is a module with TITLE, PERMISSION and ``draw(visit)``."""

from typing import Protocol

from ledger import Permission
from pages.ui.guard import Visit
from pages.ui.settings import health, keys, mail, payments


class Part(Protocol):
    """One tab: its name, who may open it, and what draws it."""

    TITLE: str
    PERMISSION: Permission

    def draw(self, visit: Visit) -> None:
        """Draw the tab; called only while it is open."""
        ...


PARTS: tuple[Part, ...] = (health, payments, keys, mail)
