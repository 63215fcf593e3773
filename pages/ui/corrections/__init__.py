"""The kinds of correction, one module each: what may be chosen on the page Corrections, and the fields that it needs.

A kind is a module with the names of `Kind`, reached by its address: ``adjustments?kind=adjust&customer=cus_acme``.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from ledger import Command, Permission
from pages.ui.corrections import (
    adjust,
    extend,
    gift,
    give_back,
    hold,
    overdraft,
    refund,
    refund_again,
    reverse,
    transfer,
    void,
)
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act


class Kind(Protocol):
    """What a module has to have to be a kind of correction."""

    # How people choose it: "Adjust".
    WORDS: str
    # What one needs to do it, or to ask a second person for it.
    PERMISSION: Permission
    # What is said once it is booked: "Corrected."
    DONE: str

    def fields(self, form: Form) -> tuple[Command | None, str, Act]:
        """Draw the fields; the command or None while it cannot be made, the customer's name, the act in words."""
        ...

    def prefill(self, params: Mapping[str, str]) -> dict[str, Any]:
        """What a link to the page fills in: values by the name of the field, from the parameters of the address."""
        ...


# By the word in the address, in the order of the choice.
KINDS: dict[str, Kind] = {
    "adjust": adjust,
    "give_back": give_back,
    "void": void,
    "reverse": reverse,
    "extend": extend,
    "hold": hold,
    "transfer": transfer,
    "gift": gift,
    "refund": refund,
    "refund_again": refund_again,
    "overdraft": overdraft,
}


def open_kinds(visit: Visit) -> dict[str, Kind]:
    """The kinds that this person may do or ask for."""
    return {word: kind for word, kind in KINDS.items() if visit.may_start(kind.PERMISSION)}
