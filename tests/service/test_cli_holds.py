"""Holds and give-back on the command line."""

from tests.service.test_cli import Cli, cli

__all__ = ["cli"]

WHY = ("--reason", "service_problem", "--note", "the job never came")


def test_a_hold_is_placed_extended_captured_and_given_back(cli: Cli) -> None:
    cli.funded()
    placed = ("hold", "place", "acme", "job-1", "gpu", "30", "--until", "2099-01-01T00:00:00Z")
    assert "available 100 -> 70" in cli(*placed).output
    assert "replayed, booked before as transaction" in cli(*placed).output
    cli("hold", "place", "acme", "job-1", "gpu", "31", code=5)
    listed = cli("hold", "list", "acme").output
    assert "job-1" in listed
    assert "held: 30" in listed
    cli("hold", "extend", "acme", "job-1", "2099-01-02T00:00:00Z", *WHY)
    assert "available 70 -> 75" in cli("hold", "capture", "acme", "job-1", "25", "--event", "call-1").output
    assert "replayed" in cli("hold", "capture", "acme", "job-1", "25", "--event", "call-1").output
    cli("hold", "release", "acme", "job-1", *WHY, code=5)
    assert "available 75 -> 85" in cli("give-back", "acme", "call-1", "10", *WHY).output
    assert "available 85 -> 100" in cli("give-back", "acme", "call-1", *WHY).output
    assert "nothing is left" in cli("give-back", "acme", "call-1", *WHY, code=2).output
    assert "held: 0" in cli("hold", "list").output


def test_a_hold_is_released_and_needs_one_time_out(cli: Cli) -> None:
    cli.funded()
    cli("hold", "place", "acme", "job-1", "gpu", "30", "--minutes", "5", "--until", "2099-01-01T00:00:00Z", code=2)
    placed = ("hold", "place", "acme", "job-1", "gpu", "30", "--minutes", "5")
    cli(*placed)
    assert "replayed" in cli(*placed).output
    assert "available 70 -> 100" in cli("hold", "release", "acme", "job-1", *WHY).output
    cli("hold", "list", "nobody", code=4)
