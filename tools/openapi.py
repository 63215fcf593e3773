"""Writes docs/openapi.json anew: `python -m tools.openapi`. The test that it is current says so when it is not."""

import json
from pathlib import Path

from service.api import create_api

PATH = Path(__file__).parents[1] / "docs" / "openapi.json"


def document() -> str:
    """The API's document as text, the same on every machine."""
    return json.dumps(create_api().openapi(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    PATH.write_text(document(), encoding="utf-8")
    print(f"{PATH} is current.")


if __name__ == "__main__":
    main()
