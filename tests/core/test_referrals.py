"""Who may bring whom, on maps of any shape."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.referrals import Party, default_code, normal_code, refusal, suspicion, would_close_a_cycle

ACCOUNTS = st.integers(1, 12)


def party(id_: int, organisation: str = "", email: str = "") -> Party:
    return Party(id_, organisation, email)


@pytest.mark.parametrize(
    ("referrer", "referee", "above", "why"),
    [
        pytest.param(party(1), party(1), {}, "refer themselves", id="oneself"),
        pytest.param(party(1, "north"), party(2, "north"), {}, "organisation 'north'", id="one-organisation"),
        pytest.param(party(1), party(2), {}, "", id="no-organisation-is-none"),
        pytest.param(party(1, email="Ada@x.io "), party(2, email="ada@X.io"), {}, "same e-mail", id="one-address"),
        pytest.param(party(1), party(2), {1: 2}, "brought by", id="each-other"),
        pytest.param(party(3), party(1), {3: 2, 2: 1}, "brought by", id="in-a-circle-of-three"),
        pytest.param(party(3), party(4), {3: 2, 2: 1}, "", id="a-longer-chain"),
        pytest.param(party(1), party(3), {2: 1}, "", id="a-second-one"),
    ],
)
def test_refusal(referrer: Party, referee: Party, above: dict[int, int], why: str) -> None:
    said = refusal(referrer, referee, above)
    assert (why in said) if why else said == ""


@given(st.lists(st.tuples(ACCOUNTS, ACCOUNTS), max_size=60))
def test_no_row_of_joins_ever_makes_a_circle(pairs: list[tuple[int, int]]) -> None:
    above: dict[int, int] = {}
    for referrer, referee in pairs:
        if referee not in above and not refusal(party(referrer), party(referee), above):
            above[referee] = referrer
    for account in above:
        steps, at = 0, account
        while at in above:
            at, steps = above[at], steps + 1
            assert steps <= len(above)


@given(st.lists(ACCOUNTS, min_size=1, max_size=12, unique=True))
def test_a_chain_can_only_be_closed_by_its_first(chain: list[int]) -> None:
    above = dict(zip(chain[1:], chain, strict=False))
    assert would_close_a_cycle(above, referrer=chain[-1], referee=chain[0])
    assert not would_close_a_cycle(above, referrer=chain[-1], referee=99)


def test_a_circle_that_is_there_already_is_left_again() -> None:
    assert not would_close_a_cycle({1: 2, 2: 1}, referrer=1, referee=3)


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("ada@acme.io", "bea@Acme.io", "both e-mail addresses are at acme.io"),
        ("ada@gmail.com", "bea@gmail.com", ""),
        ("ada+a@gmail.com", "Ada+b@gmail.com", "both e-mail addresses belong to the mailbox ada@gmail.com"),
        ("ada@acme.io", "ada@other.io", ""),
        ("", "", ""),
        ("", "bea@acme.io", ""),
    ],
)
def test_suspicion(one: str, other: str, why: str) -> None:
    assert suspicion(party(1, email=one), party(2, email=other)) == why


def test_a_code_is_always_the_same_and_can_be_read_aloud() -> None:
    code = default_code("cus_acme", "friends")
    assert code == default_code("cus_acme", "friends") != default_code("cus_acme", "partners")
    assert code == normal_code(f" {code.lower()} ")
    assert code.startswith("ACME-")
    assert not set(code.partition("-")[2]) & set("01IO")
    assert default_code("株式会社", "friends").startswith("CODE-")
