"""Transfers, gift codes and pools on the command line."""

from tests.service.test_cli import Cli, cli

__all__ = ["cli"]

WHY = ("--note", "agreed with the customer")


def test_credits_are_transferred_and_given(cli: Cli) -> None:
    cli.funded()
    cli("pool", "open", "lab", "Lab", "--organisation", "north")
    refused = cli("transfer", "acme", "lab", "30", *WHY, code=5).output
    assert "not of one organisation" in refused
    cli("account", "organisation", "acme", "north")
    assert "available 100 -> 70" in cli("transfer", "acme", "lab", "30", *WHY).output
    assert "gift acme" in cli("transfer", "acme", "lab", "5", "--message", "Thank you", *WHY).output
    assert "available: 35" in cli("pool", "list").output
    assert "Transferred by acme" in cli("history", "lab").output


def test_gift_codes_are_issued_redeemed_and_disabled(cli: Cli) -> None:
    cli.funded()
    issued = cli("gift-codes", "issue", "Fair", "3", "25", "referral", "--prefix", "fair", *WHY)
    codes = [line for line in issued.stdout.splitlines() if line.startswith("FAIR-")]
    assert len(codes) == 3
    assert issued.stdout.split() == codes
    assert "set 1" in issued.stderr
    assert "available 100 -> 125" in cli("gift-codes", "redeem", "acme", codes[0].lower()).output
    assert "was redeemed before" in cli("gift-codes", "redeem", "acme", codes[0], code=5).output
    listed = cli("gift-codes", "list", "1").output
    assert codes[1][-4:] in listed
    assert codes[1] not in listed
    cli("gift-codes", "disable", "1", "--code-no", "2", *WHY)
    cli("gift-codes", "disable", "1", *WHY)
    assert "nothing to do" in cli("gift-codes", "disable", "1", *WHY).output
    assert "was disabled" in cli("gift-codes", "redeem", "acme", codes[2], code=5).output
    assert "disabled" in cli("gift-codes", "list").output
    cli("gift-codes", "issue", "Fair", "1", "25", "--prefix", "a-b", *WHY, code=2)


def test_a_pool_is_opened_used_and_listed(cli: Cli) -> None:
    cli.funded()
    cli("pool", "open", "lab", "Lab", "--zone", "Europe/Berlin")
    cli("pool", "member", "lab", "ana", "--hour", "5", "--month", "20")
    cli("grant", "lab", "50", "--reason", "goodwill", "--note", "credits to begin with")
    cli("usage", "record", "lab", "linux", "4", "--member", "ana")
    refused = cli("usage", "record", "lab", "linux", "4", "--member", "ana", code=6)
    assert "ana may use 5 credits per hour" in refused.output
    cli("usage", "record", "lab", "linux", "1", code=2)
    listed = cli("pool", "list", "lab").output
    assert [word for word in ("ana", "True", "4", "5", "20") if word not in listed] == []
    cli("pool", "member", "lab", "ana", "--inactive")
    assert "is not active" in cli("usage", "record", "lab", "linux", "1", "--member", "ana", code=5).output
    cli("pool", "member", "acme", "ana", code=5)
    cli("pool", "list", "nobody", code=4)
