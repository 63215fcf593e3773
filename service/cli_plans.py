"""Plans, leads and referrals from the command line: `python -m service.cli plan|lead|referral VERB`."""

import click

from analytics import frames
from ledger import (
    AccountType,
    CancelPlan,
    ChangePlan,
    ConvertLead,
    CreateReferralCode,
    DefinePlan,
    DefineReferralProgramme,
    JoinReferral,
    LinkPlanPrice,
    Money,
    OpenLead,
    Provider,
    QualifyReferral,
    Reason,
    StartPlan,
    micro_to_text,
)
from ledger.core.pricing import PPM
from ledger.renewals import qualify_due, renew_due
from ledger.seeds import seed_plans
from service import show
from service.cli_kit import me, opened_ledger, refusing_clearly, run
from service.cli_words import CREDITS

KEY = click.option("--key", help="The same key books once; a new one unless given.")
NOTE = click.option("--note", required=True, help="Why, in at least 10 characters.")
PROVIDER = click.option(
    "--provider", type=click.Choice(["stripe", "mock"]), default="stripe", show_default=True, help="Who bills it."
)
REASON_CODE = click.option("--reason", "code", default="contract", show_default=True, help="Reason code.")


@click.group()
def plan() -> None:
    """Subscription plans, and which one a customer is on."""


@plan.command("seed")
@refusing_clearly
def seed() -> None:
    """Define the usual four plans in the company's currency; changes nothing when run again."""
    ledger = opened_ledger()
    with ledger.database.reading() as connection:
        currency = frames.load_company(connection).currency
    made = seed_plans(ledger, actor=me(), currency=currency)
    click.echo("Defined before." if all(one.replayed for one in made) else f"{len(made)} plans are defined.")


@plan.command("list")
@refusing_clearly
def list_() -> None:
    """The plans in force, smallest allowance first."""
    ledger = opened_ledger()
    with ledger.database.reading() as connection:
        found = frames.load_plans(connection, at=ledger.clock.now())
    for one in found:
        rolled = f"{micro_to_text(one.rollover_cap_micro)} credits or {one.rollover_share_ppm / 10_000:g} %"
        click.echo(
            f"{one.code}: {micro_to_text(one.credits_micro)} credits for {show.money(one.price)} every {one.months} "
            f"month(s); at most {rolled} roll over, for {one.rollover_periods} period(s)"
        )


@plan.command("define")
@click.argument("code")
@click.argument("label")
@click.argument("credits", type=CREDITS)
@click.option("--cents", type=int, required=True, help="Price of a billing period, in cents.")
@click.option("--currency", default="USD", show_default=True)
@click.option("--months", default=1, show_default=True, help="Length of the billing period.")
@click.option("--rollover", type=CREDITS, default="0", show_default=True, help="Most that rolls over.")
@click.option("--share", default=100, show_default=True, type=click.IntRange(0, 100), help="Most of it, in percent.")
@click.option("--periods", default=1, show_default=True, help="Billing periods that rolled-over credits last.")
@KEY
@refusing_clearly
def define(
    code: str,
    label: str,
    credits: int,
    cents: int,
    currency: str,
    months: int,
    rollover: int,
    share: int,
    periods: int,
    key: str | None,
) -> None:
    """Define a plan, or its next version, in force from now on."""
    try:
        price = Money(cents, currency)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--currency") from error
    command = DefinePlan(code, label, credits, price, months, rollover, share * PPM // 100, periods)
    run(opened_ledger(), command, key)


@plan.command("start")
@click.argument("account")
@click.argument("code_of_plan", metavar="PLAN")
@click.option("--anchor", type=click.IntRange(1, 31), help="Day on which periods begin; today's unless given.")
@NOTE
@REASON_CODE
@KEY
@refusing_clearly
def start(account: str, code_of_plan: str, anchor: int | None, note: str, code: str, key: str | None) -> None:
    """Put a customer on a plan from today on."""
    run(opened_ledger(), StartPlan(account, code_of_plan, Reason(code, note), anchor), key)


@plan.command("change")
@click.argument("account")
@click.argument("code_of_plan", metavar="PLAN")
@NOTE
@REASON_CODE
@KEY
@refusing_clearly
def change(account: str, code_of_plan: str, note: str, code: str, key: str | None) -> None:
    """Move a customer to another plan: up at once, else from the next period on."""
    run(opened_ledger(), ChangePlan(account, code_of_plan, Reason(code, note)), key)


@plan.command("cancel")
@click.argument("account")
@NOTE
@REASON_CODE
@KEY
@refusing_clearly
def cancel(account: str, note: str, code: str, key: str | None) -> None:
    """End a customer's plan with the running period."""
    run(opened_ledger(), CancelPlan(account, Reason(code, note)), key)


@plan.command("renew")
@refusing_clearly
def renew() -> None:
    """Renew every plan whose next period has begun: a nightly job, safe to run again."""
    renewed = renew_due(opened_ledger())
    click.echo(f"{len(renewed)} plan{'s' * (len(renewed) != 1)} renewed.")


@plan.command("link")
@click.argument("price_ref", metavar="PRICE")
@click.argument("code_of_plan", metavar="PLAN")
@PROVIDER
@KEY
@refusing_clearly
def link(price_ref: str, code_of_plan: str, provider: str, key: str | None) -> None:
    """Say which plan a subscription price at a provider stands for."""
    run(opened_ledger(), LinkPlanPrice(Provider(provider), price_ref, code_of_plan), key)


@plan.command("unlink")
@click.argument("price_ref", metavar="PRICE")
@PROVIDER
@KEY
@refusing_clearly
def unlink(price_ref: str, provider: str, key: str | None) -> None:
    """Let a price at a provider stand for no plan any more; what it paid for stays given."""
    run(opened_ledger(), LinkPlanPrice(Provider(provider), price_ref, None), key)


@plan.command("prices")
@refusing_clearly
def prices() -> None:
    """List the prices at providers that stand for plans."""
    with opened_ledger().database.reading() as connection:
        for one in frames.load_plan_prices(connection):
            click.echo(f"{one.plan_code}  {one.provider}  {one.price_ref}")


@click.group()
def lead() -> None:
    """People who try the product with free credits."""


@lead.command("open")
@click.argument("account")
@click.argument("name")
@click.option("--email", default="")
@click.option("--zone", default="UTC", show_default=True, help="The lead's time zone.")
@click.option("--owner", default="", help="E-mail of the account manager.")
@KEY
@refusing_clearly
def open_(account: str, name: str, email: str, zone: str, owner: str, key: str | None) -> None:
    """Open an account with the free credits of a lead."""
    run(opened_ledger(), OpenLead(account, name, email, zone, owner), key)


@lead.command("convert")
@click.argument("account")
@click.option(
    "--to",
    "account_type",
    type=click.Choice([one.value for one in AccountType if one is not AccountType.LEAD]),
    default=AccountType.PREPAID.value,
    show_default=True,
)
@click.option("--name", help="As it is unless given; so are the others.")
@click.option("--email")
@click.option("--tier")
@click.option("--owner")
@KEY
@refusing_clearly
def convert(account: str, account_type: str, key: str | None, **profile: str | None) -> None:
    """Make a lead a customer, with its credits and history."""
    run(opened_ledger(), ConvertLead(account, AccountType(account_type), **profile), key)


@click.group()
def referral() -> None:
    """Customers who bring customers."""


@referral.command("programme")
@click.argument("code")
@click.argument("label")
@click.option("--referrer", type=CREDITS, required=True, help="Credits for who invites.")
@click.option("--referee", type=CREDITS, required=True, help="Credits for who joins.")
@click.option("--cap", type=int, help="Most rewards of one who invites; no cap unless given.")
@click.option("--months", default=6, show_default=True, help="Months that the rewards last.")
@KEY
@refusing_clearly
def programme(
    code: str, label: str, referrer: int, referee: int, cap: int | None, months: int, key: str | None
) -> None:
    """Define what both sides get."""
    run(opened_ledger(), DefineReferralProgramme(code, label, referrer, referee, cap, months), key)


@referral.command("code")
@click.argument("account")
@click.argument("programme_code", metavar="PROGRAMME")
@click.option("--code", default="", help="One made from the customer's id unless given.")
@KEY
@refusing_clearly
def code(account: str, programme_code: str, code: str, key: str | None) -> None:
    """Give a customer the code by which it invites."""
    run(opened_ledger(), CreateReferralCode(account, programme_code, code), key)


@referral.command("join")
@click.argument("code_used", metavar="CODE")
@click.argument("account")
@KEY
@refusing_clearly
def join(code_used: str, account: str, key: str | None) -> None:
    """Note by whose code a new customer came."""
    run(opened_ledger(), JoinReferral(code_used, account), key)


@referral.command("qualify")
@click.argument("account", required=False)
@KEY
@refusing_clearly
def qualify(account: str | None, key: str | None) -> None:
    """Reward the first purchase of a customer, or of all who have bought: a nightly job, safe to run again."""
    if account is not None:
        run(opened_ledger(), QualifyReferral(account), key)
        return
    done = qualify_due(opened_ledger())
    click.echo(f"{len(done)} referral{'s' * (len(done) != 1)} qualified.")
