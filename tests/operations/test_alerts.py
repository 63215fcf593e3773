"""What people decide about alerts: rules of everybody and of one customer; seen, snoozed, done; who may."""

from datetime import timedelta

import pytest

from ledger import (
    MICRO,
    Actor,
    Addressee,
    AlertKind,
    Command,
    DropAlertRule,
    InvalidCommand,
    Ledger,
    MarkAlerts,
    NotFound,
    NotPermitted,
    SetAlertRule,
    SnoozeAlerts,
)
from ledger.alerts import rules_of
from ledger.clock import FixedClock
from ledger.core.alerts import DEFAULT_RULES, Rule
from service.alerts import find_alerts
from tests.kit.factories import ADMIN, NOW, fresh_key, open_account, price_feature, run, top_up, use
from tests.operations.books import all_rows

LOW_AT_50 = SetAlertRule(AlertKind.LOW_BALANCE, levels=(50,))


@pytest.fixture
def low(ledger: Ledger) -> Ledger:
    """Two customers below a line, each with an alert."""
    price_feature(ledger)
    for name in ("acme", "bolt"):
        open_account(ledger, name)
        top_up(ledger, name, credits=100)
        use(ledger, name, quantity=85)
    find_alerts(ledger)
    return ledger


def rule_of(ledger: Ledger, account: str | None, kind: AlertKind) -> Rule | None:
    with ledger.database.reading() as connection:
        rules = rules_of(connection)
    number = (
        None if account is None else next(r["id"] for r in all_rows(ledger)["account"] if r["external_id"] == account)
    )
    return rules.get(number, {}).get(kind)


def states(ledger: Ledger) -> list[str]:
    return [row["state"] for row in all_rows(ledger)["alert"]]


def test_a_rule_of_everybody_replaces_the_default(ledger: Ledger) -> None:
    assert rule_of(ledger, None, AlertKind.LOW_BALANCE) == DEFAULT_RULES[AlertKind.LOW_BALANCE]
    run(ledger, LOW_AT_50)
    run(ledger, SetAlertRule(AlertKind.LOW_BALANCE, levels=(40, 30), tells=(Addressee.OPERATORS,)))
    found = rule_of(ledger, None, AlertKind.LOW_BALANCE)
    assert found == Rule(AlertKind.LOW_BALANCE, True, (40, 30), tells=frozenset({Addressee.OPERATORS}))
    assert len(all_rows(ledger)["alert_rule"]) == 1


def test_a_rule_of_a_customer_is_its_own_and_can_be_taken_back(low: Ledger) -> None:
    own = SetAlertRule(AlertKind.OWN_LINE, threshold_micro=500 * MICRO, runway_days=10, account="acme")
    run(low, own)
    assert rule_of(low, "acme", AlertKind.OWN_LINE) == Rule(
        AlertKind.OWN_LINE, True, (), 500 * MICRO, 10, frozenset({Addressee.OWNER})
    )
    assert rule_of(low, "bolt", AlertKind.OWN_LINE) is None
    run(low, DropAlertRule(AlertKind.OWN_LINE, "acme"))
    assert rule_of(low, "acme", AlertKind.OWN_LINE) is None
    again = run(low, DropAlertRule(AlertKind.OWN_LINE, "acme"))
    assert again.transaction_id is None


def test_a_changed_rule_is_looked_at_without_anything_moving(low: Ledger) -> None:
    assert find_alerts(low)["looked"] == 0
    run(low, SetAlertRule(AlertKind.OWN_LINE, threshold_micro=50 * MICRO, account="bolt"))
    assert find_alerts(low)["looked"] == 1
    assert [row["kind"] for row in all_rows(low)["alert"]] == ["low_balance", "low_balance", "own_line"]
    run(low, LOW_AT_50)
    assert find_alerts(low)["looked"] == 2


def test_a_kind_that_is_off_raises_nothing(ledger: Ledger) -> None:
    run(ledger, SetAlertRule(AlertKind.LOW_BALANCE, is_on=False, levels=(20,)))
    price_feature(ledger)
    open_account(ledger)
    top_up(ledger, credits=100)
    use(ledger, quantity=85)
    assert find_alerts(ledger)["raised"] == 0


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (SetAlertRule(AlertKind.LOW_BALANCE), "1 to 5 levels"),
        (SetAlertRule(AlertKind.LOW_BALANCE, levels=(0,)), "1 to 99"),
        (SetAlertRule(AlertKind.RUN_OUT, levels=(20,)), "10, 50, 90"),
        (SetAlertRule(AlertKind.OUT_OF_CREDITS, levels=(1,)), "no levels"),
        (SetAlertRule(AlertKind.EXPIRING, levels=(3, 3)), "all different"),
        (SetAlertRule(AlertKind.OWN_LINE, runway_days=0), "1 to 90"),
        (SetAlertRule(AlertKind.OWN_LINE, threshold_micro=0), "more than 0"),
        (SetAlertRule(AlertKind.OVERDRAWN, runway_days=3), "own_line"),
        (SetAlertRule(AlertKind.OVERDRAWN, tells=(Addressee.OWNER, Addressee.OWNER)), "twice"),
        (MarkAlerts((), is_done=True), "1 to 200"),
        (SnoozeAlerts((1, 1), NOW), "all different"),
        (SnoozeAlerts((1,), NOW.replace(tzinfo=None)), "time zone"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(command: Command, words: str) -> None:
    (fault,) = command.faults()
    assert words in fault.message


def test_an_unknown_customer_or_alert_is_named(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="nobody"):
        run(ledger, SetAlertRule(AlertKind.OVERDRAWN, account="nobody"))
    with pytest.raises(NotFound, match="nobody"):
        run(ledger, DropAlertRule(AlertKind.OVERDRAWN, "nobody"))
    with pytest.raises(NotFound, match="8123"):
        run(ledger, MarkAlerts((8123,), is_done=True))


def test_alerts_are_seen_snoozed_and_done(low: Ledger, clock: FixedClock, manager: Actor) -> None:
    first, second = (row["id"] for row in all_rows(low)["alert"])
    run(low, MarkAlerts((first, second), is_done=False), actor=manager)
    assert states(low) == ["seen", "seen"]
    assert run(low, MarkAlerts((first, second), is_done=False), actor=manager).transaction_id is None
    until = NOW + timedelta(days=2)
    receipt = run(low, SnoozeAlerts((second,), until), actor=manager)
    assert receipt.notes == ("1 alert snoozed.",)
    assert states(low) == ["seen", "snoozed"]
    with pytest.raises(InvalidCommand, match="has passed"):
        run(low, SnoozeAlerts((first,), NOW))
    clock.set(until)
    find_alerts(low)
    assert states(low) == ["seen", "new"]
    run(low, MarkAlerts((first, second), is_done=True), actor=manager)
    assert states(low) == ["done", "done"]
    assert {row["handled_by"] for row in all_rows(low)["alert"]} == {manager.id}
    # Done stays done; nothing is booked for it.
    assert run(low, MarkAlerts((first,), is_done=False)).transaction_id is None


def test_the_same_key_marks_once(low: Ledger) -> None:
    first = all_rows(low)["alert"][0]["id"]
    one = low.execute(MarkAlerts((first,), is_done=True), actor=ADMIN, key="mark")
    again = low.execute(MarkAlerts((first,), is_done=True), actor=ADMIN, key="mark")
    assert (again.transaction_id, again.replayed) == (one.transaction_id, True)


def test_rules_are_for_admins_and_handling_for_everybody(low: Ledger, finance: Actor, manager: Actor) -> None:
    first = all_rows(low)["alert"][0]["id"]
    for person in (finance, manager):
        for command in (LOW_AT_50, DropAlertRule(AlertKind.OVERDRAWN, "acme")):
            with pytest.raises(NotPermitted, match="rules of alerts"):
                low.execute(command, actor=person, key=fresh_key())
        low.execute(MarkAlerts((first,), is_done=False), actor=person, key=fresh_key())
