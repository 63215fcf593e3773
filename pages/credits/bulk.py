"""Bulk: many grants and adjustments from one file, and the way back for a whole file."""

from ledger import Permission
from pages.ui import address, bulk_book, bulk_undo, parts
from pages.ui.guard import Visit, guard

visit = guard(Permission.ISSUE_GRANT)

VIEWS = {"book": "Book a file", "undo": "Undo a file"}
DRAWN = {"book": bulk_book.draw, "undo": bulk_undo.draw}


def page(visit: Visit) -> None:
    """The choice between both, and the one chosen."""
    parts.header(visit, "Bulk")
    shown = [view for view in VIEWS if view == "book" or visit.may_start(Permission.ADJUST_BALANCE)]
    DRAWN[address.radio("view", "What to do", shown, default="book", format_func=VIEWS.__getitem__)](visit)


page(visit)
