"""API keys in Settings: made and shown once, rotated, revoked; admins only; hostile names stay text."""

import sqlalchemy as sa

from ledger.api_keys import KeyRing, hash_of
from ledger.models import api_key
from tests.pages.conftest import HOSTILE_NAMES, Pages
from tests.pages.test_forms import confirm, field
from tests.pages.test_read_pages import said

PAGE = "system/settings.py"
TAB = {"tab": "API keys"}


def stored(pages: Pages) -> list[tuple[str, str]]:
    with pages.ledger.database.reading() as connection:
        return [(row.name, row.secret_hash) for row in connection.execute(sa.select(api_key).order_by(api_key.c.id))]


def give_reason(app) -> None:  # type: ignore[no-untyped-def]
    field(app, "selectbox", "Reason").set_value("contract").run()
    field(app, "text_input", "Note").input("for the image service").run()


def test_a_key_is_made_shown_once_rotated_and_revoked(pages: Pages) -> None:
    name = HOSTILE_NAMES[0]
    app = pages.open(PAGE, **TAB)
    assert not app.exception
    assert "No API keys yet" in said(app)
    field(app, "text_input", "Name").input(name).run()
    give_reason(app)
    assert not [button for button in app.button if button.key == "confirm"]
    next(box for box in app.checkbox if "usage:write" in box.label).check().run()
    app = confirm(app)
    app.run()
    (secret,) = [block.value for block in app.code]
    assert stored(pages) == [(name, hash_of(secret))]
    assert KeyRing(pages.ledger).find(secret).name == name
    assert name not in said(app)

    again = pages.open(PAGE, **TAB)
    assert not [block.value for block in again.code]
    assert list(again.dataframe[0].value["prefix"]) == [secret[:12]]
    rotated = pages.open(PAGE, **TAB, act="rotate")
    field(rotated, "selectbox", "Key").set_value("1").run()
    give_reason(rotated)
    rotated = confirm(rotated)
    rotated.run()
    (fresh,) = [block.value for block in rotated.code]
    assert KeyRing(pages.ledger).find(fresh).actor.id == f"key:{secret[:12]}"

    revoked = pages.open(PAGE, **TAB, act="revoke")
    field(revoked, "selectbox", "Key").set_value("2").run()
    give_reason(revoked)
    confirm(revoked).run()
    listed = pages.open(PAGE, **TAB).dataframe[0].value
    assert list(listed["state"]) == ["revoked", "ending"]


def test_only_admins_see_keys(pages: Pages) -> None:
    for who in ("fiona", "max"):
        app = pages.open(PAGE, who=who, **TAB)
        assert not app.exception
        assert "API keys" in said(app)
        assert "What it may do" not in said(app)
