"""Loaders on both databases, against answers worked out by hand from the company in conftest.py."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
import sqlalchemy as sa

from analytics import frames
from analytics.frames.schema import Column, Schema, day, flag, instant, maybe_whole, micro, real, text, value, whole
from ledger import Ledger, SetFeaturePrice
from ledger.core.burn import burn_order
from ledger.errors import NotFound
from tests.analytics.conftest import Do

BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
CREDIT = 1_000_000


def test_company_and_heads(connection: sa.Connection) -> None:
    company = frames.load_company(connection)
    assert (company.zone, company.currency, company.fiscal_year_start) == (BERLIN, "EUR", 1)
    accounts, versions, last = frames.load_head(connection)
    assert accounts == 3
    assert versions > 3
    assert last > 10
    assert frames.load_head(connection, "cus_void") == (1, 1, 0)
    with pytest.raises(NotFound):
        frames.load_head(connection, "cus_nobody")
    assert frames.load_forecast_head(connection) is None


def test_customers_count_only_what_can_be_used_now(connection: sa.Connection) -> None:
    table = frames.load_customers(connection, at=AT, zone=BERLIN).set_index("account")
    assert list(table.index) == ["cus_acme", "cus_bolt", "cus_void"]
    acme, bolt, void = (table.loc[name] for name in table.index)
    # 1,000 + 400 + 300 − 100 − 5 − 15; the 70 of rollover come later.
    assert acme.available_micro == 1580 * CREDIT
    assert acme.balance_micro == 1650 * CREDIT
    # The 60 of promotion expired before the correction took 50 of the 200.
    assert bolt.available_micro == 150 * CREDIT
    assert bolt.balance_micro == 150 * CREDIT
    assert (void.available_micro, void.value_cents, void.used_28d_micro) == (0, 0, 0)
    # 10 February is the first of the 28 days before 10 March.
    assert acme.used_28d_micro == 120 * CREDIT
    assert bolt.used_28d_micro == 0
    assert acme.last_used_day == pd.Timestamp(2026, 3, 9)
    assert pd.isna(void.last_used_day)
    assert acme.last_top_up_at == pd.Timestamp(2026, 3, 2, 11, tz="UTC")
    assert pd.isna(void.last_top_up_at)
    assert (acme.value_cents, bolt.value_cents) == (1401, 225)
    assert acme.currency == "EUR"
    assert acme.next_expiry_at == pd.Timestamp(2026, 4, 10, 22, tz="UTC")
    assert acme.expiring_30d_micro == 0
    alone = frames.load_customers(connection, at=AT, zone=BERLIN, account="cus_acme")
    assert alone.set_index("account").loc["cus_acme"].equals(acme)


def test_expiring_within_30_days_includes_the_thirtieth(connection: sa.Connection) -> None:
    at = datetime(2026, 3, 11, 12, tzinfo=UTC)
    table = frames.load_customers(connection, at=at, zone=BERLIN, account="cus_acme")
    assert table["expiring_30d_micro"].item() == 180 * CREDIT
    expiring = frames.load_expiring(connection, at=at, zone=BERLIN, within_days=30)
    assert list(expiring["days_left"]) == [30]
    assert list(expiring["left_micro"]) == [180 * CREDIT]
    assert frames.load_expiring(connection, at=at, zone=BERLIN, within_days=29).empty
    more = frames.load_expiring(connection, at=at, zone=BERLIN, within_days=90)
    assert list(more["credit_type"]) == ["promotional", "rollover"], "what is not effective yet ends, too"


def test_batches_are_numbered_in_burn_order(connection: sa.Connection) -> None:
    table = frames.load_batches(connection, account="cus_acme", at=AT)
    assert list(table["state"]) == ["open", "open", "open", "scheduled"]
    assert list(table["credit_type"]) == ["promotional", "purchased", "purchased", "rollover"]
    core = frames.load_core_batches(connection, account="cus_acme", at=AT)
    assert list(table["batch_id"][:3]) == [b.id for b in burn_order(core, at=AT)]
    assert list(table["burn_number"][:3]) == [1, 2, 3]
    assert pd.isna(table["burn_number"][3])
    assert list(table["left_micro"]) == [180 * CREDIT, 1000 * CREDIT, 400 * CREDIT, 70 * CREDIT]
    assert table["used_micro"][0] == 120 * CREDIT
    assert table["value_cents"].tolist()[1:3] == [1000, 401]
    assert pd.isna(table["value_cents"][0])


def test_batch_expired_but_unswept_shows_as_expired(connection: sa.Connection) -> None:
    table = frames.load_batches(connection, account="cus_bolt", at=AT).set_index("state")
    assert table.loc["expired", "left_micro"] == 0
    assert table.loc["expired", "expired_micro"] == 60 * CREDIT
    assert table.loc["open", "removed_micro"] == 50 * CREDIT
    assert table.loc["open", "used_micro"] == 0


def test_balance_by_type_always_has_all_five(connection: sa.Connection, empty: sa.Connection) -> None:
    table = frames.load_balance_by_type(connection, at=AT)
    assert list(table["credit_type"]) == ["purchased", "promotional", "referral", "compensation", "rollover"]
    assert list(table["available_micro"]) == [1550 * CREDIT, 180 * CREDIT, 0, 0, 0]
    assert list(table["scheduled_micro"]) == [0, 0, 0, 0, 70 * CREDIT]
    one = frames.load_balance_by_type(connection, at=AT, account="cus_bolt")
    assert one["available_micro"].sum() == 150 * CREDIT


def test_daily_usage_is_cut_in_the_company_zone(connection: sa.Connection) -> None:
    table = frames.load_daily_usage(connection, since=date(2026, 3, 1), until=date(2026, 3, 10), account="cus_acme")
    assert [(row.day.day, row.feature, row.used_micro // CREDIT) for row in table.itertuples()] == [
        (5, "text", 5),
        (8, "image", 10),
        (9, "image", 5),
    ]
    wide = frames.load_daily_usage(connection, since=date(2026, 2, 1), until=date(2026, 3, 10))
    narrow = frames.load_daily_usage_by_type(connection, since=date(2026, 2, 1), until=date(2026, 3, 10))
    summed = wide.groupby(["day", "credit_type"], as_index=False)[["used_micro", "events"]].sum()
    pd.testing.assert_frame_equal(narrow, summed)
    events = frames.load_events(connection, account="cus_acme", on=date(2026, 3, 9), zone=BERLIN)
    assert list(events["event_id"]) == ["e4"]
    every = frames.load_account_daily_usage(connection, since=date(2026, 3, 1), until=date(2026, 3, 10))
    assert every["used_micro"].sum() == 20 * CREDIT
    assert set(every["account"]) == {"cus_acme"}
    assert frames.load_first_used_day(connection) == date(2026, 2, 10)
    assert frames.load_first_used_day(connection, "cus_void") is None
    by_feature = frames.load_feature_accounts(connection, since=date(2026, 2, 1), until=date(2026, 3, 10))
    assert list(by_feature["used_micro"]) == [115 * CREDIT, 5 * CREDIT]


def test_history_tells_each_transaction_once(connection: sa.Connection) -> None:
    table = frames.load_history(connection, account="cus_acme")
    assert frames.count_history(connection, account="cus_acme") == len(table) == 7
    assert table["words"].tolist() == [
        "Used, 2 events",
        "Used for text",
        "Granted rollover credits",
        "Topped up",
        "Used for image",
        "Granted promotional credits",
        "Topped up",
    ]
    assert (table["amount_micro"] // CREDIT).tolist() == [-15, -5, 70, 400, -100, 300, 1000]
    assert (table["available_after_micro"] // CREDIT).tolist()[:3] == [1580, 1595, 1600]
    assert table["credit_types"].tolist()[0] == "promotional"
    assert table["events"].tolist()[:2] == [2, 1]
    second = frames.load_history(connection, account="cus_acme", limit=2, offset=2)
    assert second["transaction_id"].tolist() == table["transaction_id"].tolist()[2:4]
    used = frames.load_history(connection, account="cus_acme", kinds=("usage",))
    assert len(used) == 3


def found(connection: sa.Connection, **wanted: object) -> list[str]:
    table = frames.load_transactions(connection, frames.TransactionFilter(**wanted))  # type: ignore[arg-type]
    assert frames.count_transactions(connection, frames.TransactionFilter(**wanted)) == len(table)  # type: ignore[arg-type]
    return table["words"].tolist()


def test_search_finds_by_every_name_a_person_may_have(connection: sa.Connection) -> None:
    assert found(connection, text="pay_2") == ["Topped up"]
    assert found(connection, text="e4") == ["Used, 2 events"]
    assert len(found(connection, text="100%")) == 7
    assert len(found(connection, text="ACME@")) == 7
    assert found(connection, text="0_") == [], "an underscore stands for itself"
    assert found(connection, text="enough words", kinds=("adjust",)) == ["Adjusted, credits taken"]
    number = frames.load_transactions(connection, frames.TransactionFilter(text="pay_2"))["transaction_id"].item()
    assert "Topped up" in found(connection, text=f"#{number}")
    assert found(connection, text="9" * 40) == []
    assert found(connection, amount_min_micro=400 * CREDIT, amount_max_micro=1000 * CREDIT) == ["Topped up"] * 2
    assert found(connection, account="cus_bolt", amount_max_micro=60 * CREDIT)[0] == "Adjusted, credits taken"
    assert len(found(connection, since=datetime(2026, 3, 9, tzinfo=UTC), until=AT)) == 2
    assert len(found(connection, text="open", actor="system")) == 0
    matches = frames.find_customers(connection, "bolt")
    assert matches["account"].tolist() == ["cus_bolt"]
    assert frames.find_customers(connection, " ").empty
    # The name that begins so first, then names, ids and last e-mails, where nearly everybody has the text.
    assert frames.find_customers(connection, "o")["account"].tolist() == ["cus_bolt", "cus_void", "cus_acme"]
    assert frames.find_customers(connection, "v")["account"].tolist() == ["cus_void"]
    for sort in frames.TransactionSort:
        assert len(frames.load_transactions(connection, frames.TransactionFilter(), sort=sort)) > 10


def test_drawer_shows_the_lines(connection: sa.Connection) -> None:
    number = frames.load_history(connection, account="cus_acme")["transaction_id"][0]
    transaction = frames.load_transaction(connection, int(number))
    assert (transaction.kind, transaction.account, transaction.amount_micro) == ("usage", "cus_acme", -15 * CREDIT)
    entries = frames.load_entries(connection, int(number))
    assert entries["amount_micro"].tolist() == [10 * CREDIT, 5 * CREDIT]
    assert entries["event_id"].tolist() == ["e3", "e4"]
    assert len(frames.load_batch_entries(connection, int(entries["batch_id"][0]))) == 5
    with pytest.raises(NotFound):
        frames.load_transaction(connection, 10**30)


def test_movements_count_expiry_by_the_batch_date(connection: sa.Connection) -> None:
    since, until = datetime(2026, 3, 1, tzinfo=BERLIN), datetime(2026, 4, 1, tzinfo=BERLIN)
    table = frames.load_movements(connection, since=since, until=until, at=AT, zone=BERLIN)
    rows = [(row.movement, row.credit_type, row.amount_micro // CREDIT) for row in table.itertuples()]
    assert rows == [
        ("issued", "purchased", 400),
        ("used", "promotional", 20),
        ("expired", "promotional", 60),
        ("removed", "purchased", 50),
    ]
    one = frames.load_account_movements(connection, account="cus_acme", since=since, at=AT, zone=BERLIN)
    assert one["movement"].tolist() == ["issued", "issued"]


def test_core_batches_of_everybody_equal_those_of_each(connection: sa.Connection) -> None:
    everybody = frames.load_all_core_batches(connection, at=AT)
    assert set(everybody) == {"cus_acme", "cus_bolt"}
    for account, batches in everybody.items():
        assert batches == frames.load_core_batches(connection, account=account, at=AT)
    assert frames.load_top_ups(connection)["reference"].tolist() == ["pay_2", "pay_3", "pay_1"]
    assert frames.load_feature_prices(connection)["feature"].tolist() == ["image", "text"]
    assert frames.load_forecasts(connection, as_of=date(2026, 3, 9)).empty


def test_a_feature_is_called_by_its_newest_price_version_in_force(ledger: Ledger, do: Do) -> None:
    def price(feature: str, label: str, since: datetime) -> None:
        do(SetFeaturePrice(feature, CREDIT, label, effective_at=since), AT)

    price("image", "Picture", datetime(2026, 1, 1, tzinfo=UTC))
    price("image", "Image made", AT)
    price("image", "Image of tomorrow", AT + timedelta(days=1))
    price("later", "Not yet", AT + timedelta(days=1))
    price("plain", "", AT)
    price("pdf", "Export", AT)
    price("csv", "export", AT)
    price("odd", "Plain", AT)
    with ledger.database.reader.connect() as opened:
        assert frames.load_feature_labels(opened, at=AT) == {
            "image": "Image made",
            "plain": "plain",
            "pdf": "Export (pdf)",
            "csv": "export (csv)",
            "odd": "Plain (odd)",
        }
        assert frames.load_feature_labels(opened, at=AT - timedelta(seconds=1)) == {"image": "Picture"}


def test_empty_company_answers_empty_frames_of_the_right_dtypes(empty: sa.Connection) -> None:
    days = {"since": date(2026, 3, 1), "until": date(2026, 3, 9)}
    cases = [
        (frames.CUSTOMERS, frames.load_customers(empty, at=AT, zone=BERLIN)),
        (frames.VALUES, frames.load_values(empty, at=AT)),
        (frames.BATCHES, frames.load_batches(empty, account="cus_x", at=AT)),
        (frames.BALANCES, frames.load_balance_by_type(empty, at=AT)),
        (frames.EXPIRING, frames.load_expiring(empty, at=AT, zone=BERLIN, within_days=30)),
        (frames.DAILY_USAGE, frames.load_daily_usage(empty, **days)),
        (frames.DAILY_USAGE_BY_TYPE, frames.load_daily_usage_by_type(empty, **days)),
        (frames.ACCOUNT_DAILY_USAGE, frames.load_account_daily_usage(empty, **days)),
        (frames.TRANSACTIONS, frames.load_history(empty, account="cus_x")),
        (frames.ENTRIES, frames.load_entries(empty, 1)),
        (frames.TOP_UPS, frames.load_top_ups(empty)),
        (frames.FORECASTS, frames.load_forecasts(empty, as_of=date(2026, 3, 9))),
    ]
    for schema, frame in cases:
        schema.check(frame)
    assert frames.load_head(empty) == (0, 0, 0)


def test_schema_refuses_amounts_that_are_not_integers() -> None:
    schema = Schema("one", (micro("a_micro", "a"), whole("n", "n")))
    with pytest.raises(frames.FrameError, match="a_micro"):
        schema.frame({"a_micro": [1.0], "n": [1]})
    with pytest.raises(frames.FrameError, match="a_micro"):
        schema.check(pd.DataFrame({"a_micro": [1.5], "n": [1]}))
    with pytest.raises(frames.FrameError, match="amount"):
        Column("x_cents", "float64", "money")
    with pytest.raises(frames.FrameError, match="wants"):
        schema.check(pd.DataFrame({"n": [1]}))


@pytest.mark.parametrize("account", ["cus_acme", "cus_bolt", "cus_void"])
@pytest.mark.parametrize("at", [AT, datetime(2026, 4, 11, 12, tzinfo=UTC), datetime(2027, 6, 1, tzinfo=UTC)])
def test_holdings_are_what_the_other_loaders_say(connection: sa.Connection, account: str, at: datetime) -> None:
    held = frames.load_holdings(connection, account=account, at=at, zone=BERLIN)
    row = frames.load_customers(connection, at=at, zone=BERLIN, account=account).iloc[0]
    for name in ("available_micro", "held_micro", "balance_micro", "expiring_30d_micro"):
        assert getattr(held, name) == row[name], name
    assert held.next_expiry_at == (None if pd.isna(row["next_expiry_at"]) else row["next_expiry_at"])
    values = frames.load_values(connection, at=at, account=account)
    assert held.value_cents == dict(zip(values["currency"], values["value_cents"], strict=True))
    pd.testing.assert_frame_equal(held.batches, frames.load_batches(connection, account=account, at=at))
    pd.testing.assert_frame_equal(held.by_type, frames.load_balance_by_type(connection, account=account, at=at))


@pytest.mark.parametrize("at", [AT, datetime(2026, 4, 11, 12, tzinfo=UTC), datetime(2027, 6, 1, tzinfo=UTC)])
def test_a_portfolio_is_what_the_other_loaders_say(connection: sa.Connection, at: datetime) -> None:
    customers = frames.load_customers(connection, at=at, zone=BERLIN)
    held = frames.load_portfolio(connection, at=at, zone=BERLIN, within_days=90, customers=customers)
    values = frames.load_values(connection, at=at).groupby("currency")["value_cents"].sum()
    assert held.value_cents == values.to_dict()
    expiring = frames.load_expiring(connection, at=at, zone=BERLIN, within_days=90)
    pd.testing.assert_frame_equal(held.expiring, expiring)
    assert held.batches == frames.load_all_core_batches(connection, at=at)


def test_frames_are_the_same_as_pandas_makes_them() -> None:
    noon = datetime(2026, 3, 10, 12, tzinfo=UTC)
    rows: list[tuple[object, ...]] = [
        (1, None, "a", noon, date(2026, 3, 10), {"x": 1}, 0.5, True),
        (2, 7, None, None, None, None, None, False),
    ]
    kinds = (whole, maybe_whole, text, instant, day, value, real, flag)
    schema = Schema("one", tuple(kind(kind.__name__, "x") for kind in kinds))
    for chosen in (rows, rows[:1], []):
        columns = {name: [row[place] for row in chosen] for place, name in enumerate(schema.names)}
        wanted = pd.DataFrame(columns).astype({c.name: c.dtype for c in schema.columns})
        pd.testing.assert_frame_equal(schema.frame(columns), wanted)
    with pytest.raises(ValueError, match="length"):
        schema.frame({name: [] if name == "instant" else [rows[0][place]] for place, name in enumerate(schema.names)})


def test_a_statement_built_once_answers_later_arguments_too(connection: sa.Connection) -> None:
    for account, credits in (("cus_acme", 1580), ("cus_bolt", 150), ("cus_void", 0)):
        for at, expected in ((AT, credits), (datetime(2025, 1, 1, tzinfo=UTC), 0)):
            table = frames.load_balance_by_type(connection, at=at, account=account)
            assert table["available_micro"].sum() == expected * CREDIT
    pages = [frames.load_history(connection, account="cus_acme", limit=3, offset=offset) for offset in (0, 3, 6)]
    assert [len(page) for page in pages] == [3, 3, 1]
