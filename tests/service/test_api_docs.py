"""The API's document is kept in docs/openapi.json, and its page asks no server but ours."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.api import API_PATH, standalone
from service.api.errors import PROBLEMS
from tools import openapi

ROOT = Path(__file__).parents[2]


@pytest.fixture
def client() -> TestClient:
    """Somebody without a key, before there is any database."""
    return TestClient(standalone())


class Addresses(HTMLParser):
    """Every address that a page makes a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


def test_the_kept_document_is_current() -> None:
    kept = openapi.PATH.read_text(encoding="utf-8")
    assert kept == openapi.document(), "run `python -m tools.openapi` and look at what changed"


def test_every_endpoint_is_told_with_examples_and_refusals() -> None:
    paths = openapi.create_api().openapi()["paths"]
    assert len(paths) >= 25
    for path, operations in paths.items():
        for method, told in operations.items():
            where = f"{method} {path}"
            assert told["summary"], where
            assert told.get("description"), where
            assert {"401", "403", "422", "429", "500", "503"} <= set(told["responses"]), where
            assert told["security"], where
            body = told.get("requestBody")
            assert body is None or body["content"], where


def test_the_page_fetches_from_us_alone(client: TestClient) -> None:
    page = client.get(API_PATH + "/docs")
    assert page.status_code == 200
    addresses = Addresses()
    addresses.feed(page.text)
    assert len(addresses.found) >= 3
    for address in addresses.found:
        assert address.startswith(API_PATH + "/docs/assets/"), address
        assert client.get(address).status_code == 200
    assert not re.search(r"https?://", page.text)
    assert client.get(API_PATH + "/openapi.json").json()["info"]["title"] == "Credits Balance Tracker"


def test_every_code_is_explained_where_its_type_points(client: TestClient) -> None:
    told = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    for code, (status, title) in PROBLEMS.items():
        answer = client.get(f"{API_PATH}/errors/{code}")
        assert (answer.status_code, title in answer.text) == (200, True), code
        assert f"| {status} | `{code}` |" in told, f"docs/api.md does not list {code}"
