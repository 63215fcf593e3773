"""What is for sale, from the command line: `python -m service.cli catalog VERB`."""

from datetime import datetime

import click

from analytics import frames
from ledger import (
    MICRO,
    DefineBundle,
    DefinePackage,
    Ledger,
    Money,
    SetFeaturePrice,
    credits_to_micro,
    estimate_cost,
    micro_to_text,
)
from ledger.core.amounts import divide_rounding_half_up
from ledger.core.packages import STANDARD_LIST, in_force, saving_ppm
from ledger.seeds import seed_catalogue
from service import show
from service.cli_kit import me, opened_ledger, refusing_clearly, run
from service.cli_words import CREDITS, INSTANT


@click.group()
def catalog() -> None:
    """Prices of features, packages and bundles: versions, never edits."""


@catalog.command()
@click.option("--currency", help="Of the packages; the company's unless given.")
@refusing_clearly
def seed(currency: str | None) -> None:
    """Price the usual features and define the usual packages, those that have no version yet."""
    ledger = opened_ledger()
    with ledger.database.reading() as connection:
        own = frames.load_company(connection).currency
    made = seed_catalogue(ledger, actor=me(), currency=_currency(currency or own))
    click.echo(f"{len(made)} prices and packages defined." if made else "All of it was defined before.")


@catalog.command("list")
@refusing_clearly
def list_all() -> None:
    """What is for sale now."""
    ledger = opened_ledger()
    now = ledger.clock.now()
    with ledger.database.reading() as connection:
        prices = frames.load_feature_prices(connection)
        packages = in_force(frames.load_packages(connection), now)
        bundles = [one for one in frames.load_bundles(connection) if one.is_on(now)]
    begun = prices[prices["effective_at"] <= now].groupby("feature", sort=True).tail(1)
    begun = begun[begun["ends_at"].isna() | (begun["ends_at"] > now)]
    show.table(begun, {"feature": "feature", "price_micro": "credits", "unit": "per", "effective_at": "since"})
    for one in packages:
        limit = f", {one.per_customer_limit} per customer" if one.per_customer_limit else ""
        ends = f", until {one.ends_at:%Y-%m-%d %H:%M} UTC" if one.ends_at else ""
        saved = divide_rounding_half_up(saving_ppm(one, packages), 10_000)
        click.echo(
            f"package {one.code} ({one.price_list}): {micro_to_text(one.credits_micro)} credits for "
            f"{show.money(one.price)}, saves {saved} %{limit}{ends}"
        )
    for deal in bundles:
        click.echo(
            f"bundle {deal.code}: {deal.discount_ppm / 10_000:g} % off {', '.join(deal.features)} "
            f"until {deal.ends_at:%Y-%m-%d %H:%M} UTC"
        )


@catalog.command()
@click.argument("code")
@click.argument("label")
@click.argument("credits", type=CREDITS)
@click.option("--cents", type=int, required=True, help="Price, in cents.")
@click.option("--currency", default="USD")
@click.option("--list", "price_list", default=STANDARD_LIST, show_default=True, help="Price list.")
@click.option("--per-customer", type=int, help="How often one customer may buy it; any number unless given.")
@click.option("--from", "effective_at", type=INSTANT, help="From when; now unless given.")
@click.option("--until", "ends_at", type=INSTANT, help="Not for sale from then on.")
@click.option("--key")
@refusing_clearly
def package(
    code: str,
    label: str,
    credits: int,
    cents: int,
    currency: str,
    price_list: str,
    per_customer: int | None,
    effective_at: datetime | None,
    ends_at: datetime | None,
    key: str | None,
) -> None:
    """Define a package, or the next version of one."""
    price = Money(cents, _currency(currency))
    command = DefinePackage(code, label, credits, price, price_list, per_customer, effective_at, ends_at)
    run(opened_ledger(), command, key)


@catalog.command()
@click.argument("code")
@click.argument("label")
@click.argument("features", nargs=-1, required=True)
@click.option("--off", required=True, help="Discount in percent, such as 12.5.")
@click.option("--from", "effective_at", type=INSTANT, help="From when; now unless given.")
@click.option("--until", "ends_at", type=INSTANT, required=True)
@click.option("--key")
@refusing_clearly
def bundle(
    code: str,
    label: str,
    features: tuple[str, ...],
    off: str,
    effective_at: datetime | None,
    ends_at: datetime,
    key: str | None,
) -> None:
    """Give features at a discount for a limited time."""
    discount_ppm = _millionths(off, "--off") // 100
    command = DefineBundle(code, label, features, discount_ppm, ends_at, effective_at)
    run(opened_ledger(), command, key)


@catalog.command()
@click.argument("feature")
@click.argument("credits_per_unit", type=CREDITS)
@click.option("--label", default="")
@click.option("--unit", default="call")
@click.option("--from", "effective_at", type=INSTANT, help="From when; now unless given.")
@click.option("--until", "ends_at", type=INSTANT, help="Not for sale from then on.")
@click.option("--factor", "factors", multiple=True, help="Of a complexity, such as complex=2; may be given again.")
@click.option("--key")
@refusing_clearly
def price(
    feature: str,
    credits_per_unit: int,
    label: str,
    unit: str,
    effective_at: datetime | None,
    ends_at: datetime | None,
    factors: tuple[str, ...],
    key: str | None,
) -> None:
    """Set what a feature costs, as a new version of its price."""
    named = dict(_factor(text) for text in factors)
    run(
        opened_ledger(),
        SetFeaturePrice(feature, credits_per_unit, label, unit, effective_at, ends_at, named),
        key,
    )


@catalog.command()
@click.argument("feature")
@click.argument("quantity", type=CREDITS, default="1")
@click.option("--complexity", default="")
@click.option("--account", help="Also say which batches of this account would pay.")
@click.option("--at", type=INSTANT, help="When; now unless given.")
@refusing_clearly
def estimate(feature: str, quantity: int, complexity: str, account: str | None, at: datetime | None) -> None:
    """What a use would cost. Nothing is booked."""
    ledger: Ledger = opened_ledger()
    made = estimate_cost(ledger, feature, quantity_micro=quantity, complexity=complexity, account=account, at=at)
    click.echo(
        f"{micro_to_text(quantity)} {feature}: {micro_to_text(made.cost_micro)} credits "
        f"(price {micro_to_text(made.price_micro)}, factor {micro_to_text(made.factor_micro)}, "
        f"discount {made.discount_ppm / 10_000:g} %)"
    )
    if account is None:
        return
    for take in made.takes:
        click.echo(f"  batch {take.batch_id} ({take.credit_type}) pays {micro_to_text(take.amount_micro)}")
    if made.owed_micro:
        click.echo(f"  {micro_to_text(made.owed_micro)} on the approved overdraft")
    if made.short_micro:
        click.echo(f"  {micro_to_text(made.short_micro)} short: the use would be refused")


def _factor(text: str) -> tuple[str, int]:
    name, sign, number = text.partition("=")
    if not sign:
        raise click.BadParameter(f"{text!r} is no factor such as complex=2", param_hint="--factor")
    return name, _millionths(number, "--factor")


def _millionths(text: str, hint: str) -> int:
    try:
        return credits_to_micro(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=hint) from error


def _currency(text: str) -> str:
    try:
        return Money(MICRO, text).currency
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--currency") from error
