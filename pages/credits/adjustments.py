"""Corrections: everything that puts credits right by hand, one kind at a time, each with a reason."""

import streamlit as st

from pages.ui import address, forms, parts
from pages.ui.corrections import KINDS, open_kinds
from pages.ui.guard import Visit, guard
from pages.ui.review import receipt_panel, review

visit = guard(*dict.fromkeys(kind.PERMISSION for kind in KINDS.values()))


def page(visit: Visit) -> None:
    """The choice of what to do, and its form, or what became of it."""
    parts.header(visit, "Corrections")
    kinds = open_kinds(visit)
    words = {word: kind.WORDS for word, kind in kinds.items()}
    chosen = address.radio("kind", "What to do", list(kinds), default=next(iter(kinds)), format_func=words.__getitem__)
    kind = kinds[chosen]
    # Each kind has a draft of its own, so a look at another one loses nothing.
    form = forms.open_form(visit, chosen, prefill=kind.prefill(st.query_params.to_dict()))
    receipt = forms.outcome(form)
    if receipt is not None:
        names = forms.customer_names(visit)
        receipt_panel(form, receipt, done=kind.DONE, name=names.get(receipt.account or "", ""))
        return
    forms.offer_draft(form)
    left, right = forms.columns()
    with left:
        command, _, act = kind.fields(form)
    with right:
        review(form, command, act)


page(visit)
