"""API keys on the command line."""

from tests.service.test_cli import Cli, cli

__all__ = ["cli"]

WHY = ("--note", "for the image service")
MADE = ("keys", "create", "Image service", "--scope", "usage:write", "--scope", "balance:read")


def test_a_key_is_made_listed_rotated_and_revoked(cli: Cli) -> None:
    made = cli(*MADE, "--per-minute", "60", "--through", "2031-01-31", *WHY)
    secret = made.stdout.strip()
    assert secret.startswith("cbt_")
    assert secret not in made.stderr
    listed = cli("keys", "list").output
    assert secret[:12] in listed
    assert secret not in listed
    assert "usage:write, balance:read" in listed
    assert "2031-01-31" in listed
    rotated = cli("keys", "rotate", "1", "--grace-hours", "0", *WHY)
    assert rotated.stdout.strip() != secret
    assert "key 2" in rotated.stderr
    assert "expired" in cli("keys", "list").output
    assert "was rotated before" not in cli("keys", "rotate", "2", *WHY).output
    cli("keys", "revoke", "2", *WHY)
    assert "nothing to do" in cli("keys", "revoke", "2", *WHY).output
    assert "was revoked" in cli("keys", "rotate", "2", *WHY, code=5).output
    cli("keys", "revoke", "9", *WHY, code=4)
    cli("keys", "create", "x", "--scope", "everything", *WHY, code=2)
