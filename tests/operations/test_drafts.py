"""Drafts: kept per person, replaced by what was typed last, gone when the outcome is known."""

import pytest

from ledger import Actor, Ledger
from ledger.drafts import latest_draft, load_draft, remove_draft, save_draft


def test_a_draft_keeps_what_was_typed_last(ledger: Ledger, admin: Actor) -> None:
    for amount in ("5", "50"):
        save_draft(ledger, actor=admin, key="d1", form="grant", body={"amount": amount, "note": "Müller & <b>"})
    found = load_draft(ledger, actor=admin, key="d1")
    assert found is not None
    assert found.body == {"amount": "50", "note": "Müller & <b>"}
    assert latest_draft(ledger, actor=admin, form="grant") == found
    assert latest_draft(ledger, actor=admin, form="top_up") is None


def test_a_shared_address_gives_nobody_the_draft_of_somebody_else(ledger: Ledger, admin: Actor, finance: Actor) -> None:
    save_draft(ledger, actor=admin, key="d1", form="grant", body={"amount": "5"})
    assert load_draft(ledger, actor=finance, key="d1") is None
    save_draft(ledger, actor=finance, key="d1", form="grant", body={"amount": "7"})
    remove_draft(ledger, actor=finance, key="d1")
    found = load_draft(ledger, actor=admin, key="d1")
    assert found is not None
    assert found.body == {"amount": "5"}


@pytest.mark.parametrize("key", ["d1", "never saved"])
def test_removing_is_the_end_of_a_draft_however_often(ledger: Ledger, admin: Actor, key: str) -> None:
    save_draft(ledger, actor=admin, key="d1", form="grant", body={})
    for _ in range(2):
        remove_draft(ledger, actor=admin, key=key)
    assert (load_draft(ledger, actor=admin, key="d1") is None) == (key == "d1")
