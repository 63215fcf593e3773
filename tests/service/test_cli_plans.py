"""Plans, leads and referrals from the command line."""

from tests.service.test_cli import Cli, cli  # noqa: F401 - the fixture

WHY = ("--note", "ordered by phone")


def test_a_customer_is_put_on_a_plan_moved_and_cancelled(cli: Cli) -> None:  # noqa: F811
    assert "4 plans are defined" in cli("plan", "seed").output
    assert "Defined before" in cli("plan", "seed").output
    cli("plan", "define", "gold", "Gold", "900", "--cents", "4999", "--rollover", "90", "--share", "10")
    cli("account", "open", "acme", "Acme")
    assert "available 0 -> 100" in cli("plan", "start", "acme", "basic", *WHY, "--key", "k").output
    assert "replayed" in cli("plan", "start", "acme", "basic", *WHY, "--key", "k").output
    assert "available 100 -> 900" in cli("plan", "change", "acme", "gold", *WHY).output
    cli("plan", "cancel", "acme", *WHY)
    assert "was cancelled before" in cli("plan", "cancel", "acme", *WHY, code=5).output
    assert "0 plans renewed" in cli("plan", "renew").output
    assert "EURO" in cli("plan", "define", "x", "X", "1", "--cents", "1", "--currency", "EURO", code=2).output


def test_a_lead_is_opened_and_converted(cli: Cli) -> None:  # noqa: F811
    assert "available 0 -> 20" in cli("lead", "open", "lea", "Lea", "--zone", "Asia/Tokyo").output
    assert "available 20 -> 20" in cli("lead", "convert", "lea", "--to", "hybrid", "--tier", "pro").output
    assert "is no lead" in cli("lead", "convert", "lea", code=5).output


def test_a_referral_is_rewarded_after_a_purchase(cli: Cli) -> None:  # noqa: F811
    for name in ("acme", "bolt", "core"):
        cli("account", "open", name, name.title())
    cli("referral", "programme", "friends", "Friends", "--referrer", "50", "--referee", "20", "--cap", "1")
    cli("referral", "code", "acme", "friends", "--code", "acme")
    for name in ("bolt", "core"):
        cli("referral", "join", "acme", name)
        cli("top-up", name, "100", "--cents", "100", "--reference", f"INV-{name}")
    assert "available 100 -> 120" in cli("referral", "qualify", "bolt").output
    assert "1 referral qualified" in cli("referral", "qualify").output
    assert "was referred before" in cli("referral", "join", "acme", "bolt", code=5).output
