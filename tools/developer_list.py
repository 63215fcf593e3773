"""Print the developer tools of pyproject.toml as a list that every version of pip can read."""

import tomllib
from pathlib import Path


def developer_list() -> list[str]:
    """The pinned developer tools, in the order of pyproject.toml."""
    settings = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())
    tools: list[str] = settings["dependency-groups"]["dev"]
    return tools


if __name__ == "__main__":
    print("\n".join(developer_list()))
