"""Undo a file: reverse every row of it that is not reversed yet, all of them or none."""

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import AskApproval, InvalidCommand, LedgerError, Reason, Receipt, UndoFile
from pages.ui import address, forms, parts
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act, receipt_panel, review
from pages.ui.text import instant_text

REASONS = ("data_correction", "billing_error", "other")
FILES_SHOWN = 200
_STAND_IN = Reason("preview", "shown before the note is written")


def draw(visit: Visit) -> None:
    """Form, or what became of it."""
    form = forms.open_form(visit, "undo_file", prefill={"transaction": st.query_params.get("transaction")})
    receipt = forms.outcome(form)
    if receipt is not None:
        _undone(form, receipt)
        return
    wanted = frames.TransactionFilter(kinds=("file",))
    files = visit.ask(frames.load_transactions, wanted=wanted, limit=FILES_SHOWN)
    if files.empty:
        parts.first_use("No file was booked yet.", page="credits/bulk.py", label="Book a file")
        return
    forms.offer_draft(form)
    left, right = forms.columns()
    with left:
        command, act, seen = _fields(form, files)
    with right:
        review(form, command, act, seen=seen)


def _fields(form: Form, files: pd.DataFrame) -> tuple[UndoFile | None, Act, Receipt | None]:
    """Which file and why; the command or None while it cannot be made, the act in words, what it would do."""
    visit = form.visit
    options = {
        str(row["transaction_id"]): f"Entry {row['transaction_id']} · {row['events']:,} rows · {row['note']} · "
        f"{instant_text(row['recorded_at'], visit.zone, visit.locale)}"
        for row in files.to_dict("records")
    }
    chosen = form.select("transaction", "File", options, help="Files by the entry under which they were booked")
    reason = form.reason(codes=REASONS)
    if chosen is None:
        return None, Act(button="Undo"), None
    number = int(chosen)
    try:
        seen = visit.ledger.preview(UndoFile(number, _STAND_IN), actor=visit.actor)
    except InvalidCommand as error:
        _stuck(form, error)
        return None, Act(button="Undo"), None
    except LedgerError as error:
        form.faults["transaction"] = str(error)
        return None, Act(button="Undo"), None
    if not seen.made:
        form.faults["transaction"] = "every row of this file is reversed already"
        return None, Act(button="Undo"), None
    rows = f"{len(seen.made):,} row{'s' * (len(seen.made) != 1)}"
    facts = {"File": f"Entry {number}", "Rows reversed": f"{len(seen.made):,}"}
    return (
        UndoFile(number, reason),
        Act(button=f"Undo entry {number}: reverse {rows}", is_removal=True, facts=facts),
        seen,
    )


def _stuck(form: Form, error: InvalidCommand) -> None:
    """Rows that cannot be reversed any more keep the whole file booked."""
    count = len(error.faults)
    are = "1 row" if count == 1 else f"{count:,} rows"
    form.faults["transaction"] = f"{are} of this file cannot be reversed, so none is; correct the others one by one"
    frame = pd.DataFrame([(one.field, one.message) for one in error.faults], columns=["row", "why"])
    columns = {
        "row": st.column_config.TextColumn("Row"),
        "why": st.column_config.TextColumn("Why it cannot be reversed", width="large"),
    }
    parts.table(frame, key="stuck-rows", alt="Rows that cannot be reversed", columns=columns)


def _undone(form: Form, receipt: Receipt) -> None:
    if receipt.kind == AskApproval.kind:
        receipt_panel(form, receipt, done="", name="")
        return
    rows = f"{receipt.events_recorded:,} row{'s' * (receipt.events_recorded != 1)}"
    st.success(
        f"{rows} of entry {receipt.subject_id} reversed. Entry {receipt.transaction_id}.",
        title="Undone",
        icon=":material/check_circle:",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        for words, number in (("Ledger entry", receipt.transaction_id), ("File, entry", receipt.subject_id)):
            st.page_link(
                "system/audit.py",
                label=f"{words} {number}",
                icon=":material/receipt_long:",
                query_params=address.link(entry=number),
                width="content",
            )
        st.button("Do another", icon=":material/add:", key="another", on_click=forms.start_again, args=(form,))
