"""The API does what its document says: called in every way the document allows, and in many that it does not.

Schemathesis runs its examples, its edge cases and its fuzzing over every endpoint, and chains of calls. A normal run
stops after some seconds; `make api-check` gives it minutes.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from ledger import Ledger
from ledger.clock import SystemClock
from ledger.core.policy import Scope
from ledger.facade import open_ledger
from ledger.settings import settings
from service.api import API_PATH, standalone
from service.api.events import LINES
from tests.kit import factories
from tests.kit.calling import api_key
from tests.kit.paying import define_package

SECONDS = int(os.environ.get("API_SECONDS", "15"))
SEED = int(os.environ.get("API_SEED", "1"))


@pytest.fixture
def filled(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A ledger with the things that the document's examples name, and limits that let everything pass."""
    monkeypatch.setenv("KEY_REQUESTS_PER_MINUTE", "1000000")
    monkeypatch.setenv("CUSTOMER_REQUESTS_PER_MINUTE", "1000000")
    monkeypatch.setenv("MOCK_PROVIDER_FILE", str(tmp_path / "mock_provider.sqlite"))
    settings.cache_clear()
    ledger = open_ledger(sqlite_url, clock=SystemClock())
    # Purchases need somebody who takes the money: the mock provider of a demo company.
    ledger.is_demo = True
    for code in ("starter", "professional"):
        define_package(ledger, code)
    factories.open_account(ledger)
    for feature in ("api-call", "image", "video"):
        factories.price_feature(ledger, feature, 1)
    factories.grant(ledger, credits=90_000)
    yield ledger
    ledger.database.dispose()
    settings.cache_clear()


@schemathesis.serializer(LINES)
def lines(_context: object, value: object) -> bytes:
    """A generated text as the lines of a body; what is no text cannot be lines, and is sent as nothing."""
    return value.encode(errors="replace") if isinstance(value, str) else b""


def findings(ledger: Ledger) -> dict[str, str]:
    """What schemathesis finds, by endpoint and title: the first of each with the request that shows it."""
    secret = api_key(ledger, *Scope)
    config = SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "max-time": SECONDS,
            "headers": {"Authorization": f"Bearer {secret}"},
            "cache": {"enabled": False},
            "checks": {
                # What the books say to a sound request is no fault of the document: 402, 409, and what no document can
                # tell, such as a day that has passed.
                "positive_data_acceptance": {"expected-statuses": ["2xx", 402, 404, 409, 422]},
                # An account may be called "acme/balance", so whatever follows /customers/ can be changed.
                "unsupported_method": {"enabled": False},
            },
            "generation": {"max-examples": 10 if SECONDS <= 30 else 60, "database": "none"},
        }
    )
    app = standalone(ledger)
    schema: Any = schemathesis.openapi.from_asgi(f"{API_PATH}/openapi.json", app, config=config)
    found: dict[str, str] = {}
    tried: set[str] = set()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            tried.add(event.recorder.label)
            for checks in event.recorder.checks.values():
                for check in checks:
                    if check.failure_info is not None:
                        failure = check.failure_info.failure
                        shown = f"{failure.message}\n{check.failure_info.code_sample}"
                        found.setdefault(f"{event.recorder.label}: {failure.title}", shown)
        if isinstance(event, events.NonFatalError | events.FatalError):
            found.setdefault(
                f"error {getattr(event, 'label', '')}", repr(getattr(event, "info", None) or event.exception)
            )
    assert len(tried) > 20, "schemathesis tried only a part of the endpoints"
    return found


def test_schemathesis_finds_nothing(filled: Ledger) -> None:
    random.seed(SEED)
    found = findings(filled)
    assert not found, "\n\n".join(f"## {title}\n{shown}" for title, shown in found.items())
