"""Settings, read from the environment when first used (Streamlit copies top-level secrets there after imports)."""

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """Every setting with its environment variable, which is the upper-case field name.

    .streamlit/secrets.example.toml lists them for people; tests/test_documents.py keeps the two in step.
    """

    database_url: str = Field(
        f"sqlite:///{Path('var/credits.sqlite').absolute()}",
        description="SQLAlchemy address of the ledger: sqlite:///file or postgresql://user@host/name",
    )
    company_name: str = Field("Your company", description="Name shown on pages and reports")
    company_zone: str = Field(
        "UTC", description="Time zone in which days and months are cut; fixed when the database is first migrated"
    )
    currency: str = Field("USD", description="Currency proposed in forms")
    approval_limit_credits: int = Field(
        100_000, ge=0, description="Credits that one person may move alone; more asks for a second person"
    )
    transfer_scope: Literal["organisation", "company"] = Field(
        "organisation",
        description="Between which accounts credits may be transferred: those of one organisation, or all",
    )
    refund_policy: Literal["unused_share", "time_left"] = Field(
        "unused_share", description="What a refund is prorated by: the unused share, or the time left if that is less"
    )
    sandbox_clock: datetime | None = Field(
        None, description="Sandbox only: the ledger takes this instant for now, such as 2026-04-06T08:00:00Z"
    )
    dev_identity: bool = Field(
        False, description="Development only: choose who you are from a list instead of signing in"
    )


@cache
def settings() -> Settings:
    """The settings in force for this process."""
    return Settings()
