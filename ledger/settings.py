"""Settings, read from the environment when first used (Streamlit copies top-level secrets there after imports)."""

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode
from zoneinfo import available_timezones

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from ledger.core.amounts import Money


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
    public_url: str = Field(
        "http://127.0.0.1:8501", description="Address of this product as people type it; links in mails begin with it"
    )
    smtp_host: str = Field("", description="Mail server; empty: mails become files in MAIL_FOLDER")
    smtp_port: int = Field(587, ge=1, le=65_535, description="Port of the mail server")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection to the mail server is protected"
    )
    smtp_user: str = Field("", description="Name at the mail server; empty: no sign-in")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password at the mail server")
    mail_from: str = Field("credits@localhost", description="Sender of all mails")
    mail_folder: Path = Field(Path("var/mail"), description="Where mails are written as files without a mail server")
    operators_mail: str = Field("", description="Who is told when a job fails, separated by commas")
    approvers_mail: str = Field(
        "", description="Who is told when an approval is asked for, separated by commas; empty: OPERATORS_MAIL"
    )
    finance_mail: str = Field("", description="Who is told when a month is ready to close, separated by commas")
    payment_provider: Literal["", "stripe", "polar", "mock"] = Field(
        "", description="Who takes the money of new purchases; empty: the mock in a demo company, else Stripe"
    )
    stripe_key: SecretStr = Field(SecretStr(""), description="Secret key of Stripe; empty: Stripe is not used")
    stripe_webhook_secrets: SecretStr = Field(
        SecretStr(""),
        description="Signing secret of the webhook at Stripe; two, with a comma, while it is changed",
    )
    stripe_address: str = Field("", description="Another address than Stripe's own, such as a stand-in for tests")
    stripe_automatic_tax: bool = Field(False, description="Whether Stripe computes the tax of a checkout")
    polar_token: SecretStr = Field(SecretStr(""), description="Access token of Polar; empty: Polar is not used")
    polar_webhook_secrets: SecretStr = Field(
        SecretStr(""),
        description="Signing secret of the webhook at Polar; two, with a comma, while it is changed",
    )
    polar_address: str = Field("", description="Another address than Polar's own, such as its sandbox")
    mock_provider_file: Path = Field(
        Path("var/mock_provider.sqlite"), description="Where the pretended provider of a demo company keeps its books"
    )
    meter_event_name: str = Field(
        "credits_beyond", description="Event name of the meter that is told what was used beyond the credits"
    )
    mirror_balance: bool = Field(
        False, description="Whether movements are repeated as customer balance transactions at the provider"
    )
    mirror_cents_per_thousand: int = Field(
        1_000, ge=1, description="What 1,000 credits that nobody paid for are worth there, in cents"
    )
    reconcile_days: int = Field(
        35, ge=1, le=400, description="Days back that the nightly comparison with the provider looks"
    )
    run_jobs: bool = Field(True, description="Whether the server runs the jobs; false where cron does")
    ray_address: str = Field("", description="A running Ray cluster that computes forecasts; empty: this machine")
    key_requests_per_minute: int = Field(6_000, gt=0, description="Requests a minute that one API key may make")
    customer_requests_per_minute: int = Field(
        3_000, gt=0, description="Requests a minute about one customer, over all keys"
    )
    retention_days: int = Field(
        400,
        ge=30,
        description="Days that runs of jobs, bodies of mails and old forecasts are kept; facts stay for ever",
    )
    dev_identity: bool = Field(
        False, description="Development only: choose who you are from a list instead of signing in"
    )

    @field_validator("company_zone")
    @classmethod
    def _is_a_zone(cls, said: str) -> str:
        if said not in available_timezones():
            raise ValueError(f"{said!r} is no time zone; use one like Europe/Berlin")
        return said

    @field_validator("currency")
    @classmethod
    def _is_a_currency(cls, said: str) -> str:
        return Money(0, said).currency

    def page_address(self, page: str, **query: str) -> str:
        """The full address of a page of the product, for links that leave it: mails, refusals of the HTTP API."""
        address = f"{self.public_url.rstrip('/')}/{page}"
        return f"{address}?{urlencode(query)}" if query else address


@cache
def settings() -> Settings:
    """The settings in force for this process."""
    return Settings()
