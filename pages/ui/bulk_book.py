"""Book a file: choose it, see what is in it, say why, confirm; then what became of it."""

import pandas as pd
import streamlit as st

from ledger import AskApproval, BookFile, InvalidCommand, Permission, Receipt, Unavailable
from ledger.grant_file import COLUMNS, FileUnreadable, template
from pages.ui import address, bulk_report, forms, parts
from pages.ui.bulk_report import Report
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act, receipt_panel, review
from pages.ui.text import credit_text, escape

REASONS = ("campaign", "goodwill", "service_problem", "contract", "data_correction", "other")
SIZE_MAX_MB = 5


def draw(visit: Visit) -> None:
    """Form, or what became of it."""
    form = forms.open_form(visit, "file")
    receipt = forms.outcome(form)
    if receipt is not None:
        _booked(form, receipt)
        return
    forms.offer_draft(form)
    report = _chosen(form)
    if report is not None:
        bulk_report.draw(visit, report)
    left, right = forms.columns()
    with left:
        command, act = _fields(form, report)
    with right:
        review(form, command, act, seen=report.effect if report is not None else None)


def _chosen(form: Form) -> Report | None:
    """The file that was chosen, read; what is wrong with it as a whole is said here."""
    visit = form.visit
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.markdown(f"One row per customer and gift. Columns: `{', '.join(COLUMNS)}`.", width="stretch")
        st.download_button(
            "Template",
            data=b"\xef\xbb\xbf" + template().encode(),
            file_name="credits_bulk_template.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            key="template",
            help="The header and one example row; the header never changes",
        )
    chosen = st.file_uploader(
        "File",
        type="csv",
        max_upload_size=SIZE_MAX_MB,
        key=f"{form.state.key}:file",
        help="CSV as UTF-8 with commas. Nothing is booked before you confirm",
    )
    if chosen is None:
        form.missing["file"] = "File"
        return None
    try:
        report = bulk_report.read(visit, chosen.name, chosen.getvalue())
    except UnicodeDecodeError:
        _unreadable(form, "This is not text as UTF-8. Save it from the spreadsheet as “CSV UTF-8”.")
    except FileUnreadable as error:
        _unreadable(form, str(error))
    except InvalidCommand as error:
        _unreadable(form, bulk_report.too_many(error))
    except Unavailable as error:
        _unreadable(form, f"{error}. Nothing was booked; choose the file again.")
    else:
        if report.found.typed:
            return report
        _unreadable(form, "The file has a header and no row. Write one row per customer and gift.")
    return None


def _unreadable(form: Form, why: str) -> None:
    form.missing["file"] = "A file that can be read"
    st.error(escape(why), title="This file cannot be used", icon=":material/error:")


def _fields(form: Form, report: Report | None) -> tuple[BookFile | None, Act]:
    """How and why; the command or None while it cannot be made, and the act in words."""
    words = {"all": "All rows or none", "good": "Good rows only"}
    how = form.choice(
        "how",
        "Book",
        list(words),
        words=words,
        help="Good rows only leaves out what cannot be booked, to be mended and loaded again",
    )
    reason = form.reason(codes=REASONS)
    if report is None:
        return None, Act(button="Book")
    rows, left_out = report.to_book, report.left_out
    if how == "all" and left_out:
        are = "1 row cannot" if left_out == 1 else f"{left_out:,} rows cannot"
        form.faults["how"] = f"{are} be booked; mend the file and choose it again, or book good rows only"
    elif not rows:
        form.faults["how"] = (
            "every row that can be booked was booked before" if report.before else "no row of this file can be booked"
        )
    if not report.found.rows:
        return None, Act(button="Book")
    st.session_state[_wrong_key(form)] = report.wrong_rows() if left_out else b""
    return BookFile(report.name, report.found.rows, reason, good_rows_only=how == "good"), _act(form.visit, report)


def _act(visit: Visit, report: Report) -> Act:
    rows = report.to_book
    added, taken = (credit_text(micro, visit.locale) for micro in bulk_report.sums(rows))
    credits = f"{added} credits" if taken == "0" else f"{added} credits added, {taken} taken away"
    facts = {"File": escape(report.name), "Rows booked": f"{len(rows):,}", "Credits": credits}
    if report.left_out:
        facts["Rows left out"] = f"{report.left_out:,}"
    if report.before:
        facts["Booked before, not again"] = f"{len(report.before):,}"
    facts["Customers"] = f"{len({row.command.account for row in rows}):,}"
    caution = f"{bulk_report.similar_text(report)}. Are these really second ones?" if report.similar else ""
    plural = "row" if len(rows) == 1 else "rows"
    return Act(button=f"Book {len(rows):,} {plural}, {credits}", is_removal=taken != "0", facts=facts, caution=caution)


def _booked(form: Form, receipt: Receipt) -> None:
    """What was booked or asked for, what was left out, and the way back."""
    visit = form.visit
    if receipt.kind == AskApproval.kind:
        receipt_panel(form, receipt, done="", name="")
        return
    rows = f"{receipt.events_recorded:,} row{'s' * (receipt.events_recorded != 1)}"
    st.success(f"{rows} booked. Entry {receipt.transaction_id}.", title="Booked", icon=":material/check_circle:")
    st.table(
        {
            "Rows booked": f"{receipt.events_recorded:,}",
            "Booked before, not again": f"{receipt.events_replayed:,}",
            "Refused": f"{len(receipt.refusals):,}",
        },
        border="horizontal",
    )
    if receipt.refusals:
        frame = pd.DataFrame([(one.event_id, one.message) for one in receipt.refusals], columns=["line", "message"])
        columns = {
            "line": st.column_config.TextColumn("Where"),
            "message": st.column_config.TextColumn("Why it was refused", width="large"),
        }
        parts.table(frame, key="refused-rows", alt="Rows that the ledger refused", columns=columns)
    if wrong := st.session_state.get(_wrong_key(form)):
        bulk_report.download_wrong(visit, wrong, key="wrong-after")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            "system/audit.py",
            label=f"Ledger entry {receipt.transaction_id}",
            icon=":material/receipt_long:",
            query_params=address.link(entry=receipt.transaction_id),
            width="content",
        )
        if visit.may_start(Permission.ADJUST_BALANCE):
            st.page_link(
                "credits/bulk.py",
                label="Undo the whole file",
                icon=":material/undo:",
                query_params=address.link(view="undo", transaction=receipt.transaction_id),
                width="content",
            )
        st.button("Do another", icon=":material/add:", key="another", on_click=forms.start_again, args=(form,))


def _wrong_key(form: Form) -> str:
    return f"{form.state.key}:wrong"
