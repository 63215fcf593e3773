"""The command line: `python -m service.cli VERB`. Errors name what is wrong and what is allowed."""

import csv
import sys
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import click
import sqlalchemy as sa

from analytics import frames
from ledger import (
    SYSTEM,
    CreditType,
    EventReused,
    IssueGrant,
    KeyReused,
    Ledger,
    Money,
    Reason,
    RecordTopUp,
    RecordUsage,
    SetFeaturePrice,
    UsageEvent,
    micro_to_text,
)
from ledger import demo as demo_company
from ledger.database import Database
from ledger.demo_cast import ZONE as DEMO_ZONE
from ledger.migrations import upgrade
from ledger.models import account as account_table
from ledger.models import company
from ledger.settings import settings
from ledger.sweep import expire_due_everywhere
from service import cli_proof, cli_provider, cli_time, real_data, show
from service import doctor as doctor_checks
from service.cli_accounts import account
from service.cli_alerts import alerts
from service.cli_billing import subscription
from service.cli_catalog import catalog
from service.cli_compare import payments
from service.cli_corrections import adjust, extend, reverse, void
from service.cli_decisions import approvals, overdraft, refund
from service.cli_explain import explain
from service.cli_files import file_group
from service.cli_holds import give_back, hold
from service.cli_jobs import jobs
from service.cli_keys import keys
from service.cli_kit import me, opened_ledger, refusing_clearly, run
from service.cli_mail import mail
from service.cli_plans import lead, plan, referral
from service.cli_recharge import recharge, refund_again
from service.cli_report import report
from service.cli_sharing import gift_codes, organisation, pool, transfer
from service.cli_words import CREDITS, DAY, INSTANT
from service.repeats import happened_at
from service.usage_import import ImportReport, import_usage

FAULTS_SHOWN = 20


@click.group()
def main() -> None:
    """Credits Balance Tracker: the ledger from the command line. DATABASE_URL says which one."""


@main.command()
@refusing_clearly
def migrate() -> None:
    """Bring the database to the newest version; sets a new one up with COMPANY_NAME, COMPANY_ZONE and CURRENCY."""
    chosen = settings()
    upgrade(chosen.database_url, name=chosen.company_name, zone=chosen.company_zone, currency=chosen.currency)
    click.echo(f"{show.address(chosen.database_url)} is up to date.")


@main.command()
@click.option("--forecasts/--no-forecasts", default=True, help="Also compute the forecasts (about ten seconds).")
@refusing_clearly
def demo(forecasts: bool) -> None:
    """Load the demo company into an empty database; leaves one with accounts as it is."""
    url = settings().database_url
    upgrade(url, name=demo_company.NAME, zone=DEMO_ZONE, currency=demo_company.CURRENCY, is_demo=True)
    database = Database(url)
    with database.reader.connect() as connection:
        is_empty = connection.execute(sa.select(account_table.c.id).limit(1)).first() is None
        is_demo = connection.execute(sa.select(company.c.is_demo)).scalar_one()
    if not is_empty:
        database.dispose()
        if is_demo and not demo_company.is_complete(opened_ledger()):
            raise click.ClickException(
                f"{show.address(url)} holds a demo company whose load was interrupted. "
                "Remove that database (for SQLite: the file) and run this again."
            )
        click.echo(f"{show.address(url)} holds accounts already; the demo company was not loaded again.")
        return
    now = datetime.now(UTC).replace(microsecond=0)
    with click.progressbar(length=1, label="Demo company") as bar:

        def progress(done: int, weeks: int) -> None:
            bar.length = weeks
            bar.update(done - bar.pos)

        demo_company.load(database, until=now, on_progress=progress)
    database.dispose()
    if forecasts:
        _forecast(opened_ledger())


@main.command()
@refusing_clearly
def forecast() -> None:
    """Compute the forecasts that are missing for yesterday's close, and store them."""
    _forecast(opened_ledger())


def _forecast(ledger: Ledger) -> None:
    from service.forecasts import refresh  # Prophet takes seconds to import: only where it is needed

    done = refresh(ledger)
    click.echo(f"Forecasts from the days up to {done.known_until}: {done.made} computed, {done.present} there already.")


@main.command()
@click.argument("feature")
@click.argument("credits_per_unit", type=CREDITS)
@click.option("--label", default="")
@click.option("--unit", default="call")
@click.option("--from", "effective_at", type=INSTANT, help="From when; now unless given.")
@click.option("--key")
@refusing_clearly
def price(
    feature: str, credits_per_unit: int, label: str, unit: str, effective_at: datetime | None, key: str | None
) -> None:
    """Set what a feature costs, as a new version of its price."""
    run(opened_ledger(), SetFeaturePrice(feature, credits_per_unit, label, unit, effective_at), key)


@main.command()
@click.argument("account_id")
@click.argument("credits", type=CREDITS)
@click.option(
    "--type",
    "credit_type",
    type=click.Choice([t.value for t in CreditType if t is not CreditType.PURCHASED]),
    default=CreditType.PROMOTIONAL.value,
)
@click.option("--reason", "code", required=True, help="Reason code, such as goodwill.")
@click.option("--note", required=True, help="Why, in at least ten characters.")
@click.option("--ticket", default="")
@click.option("--campaign", default="")
@click.option("--expires", type=DAY, help="Last usable day; the default of the type unless given.")
@click.option("--never-expires", is_flag=True, help="No end at all, where the type allows it.")
@click.option("--from", "effective_at", type=INSTANT, help="Usable from then on; at once unless given.")
@click.option("--priority", default=0, show_default=True, help="Lower numbers are used first, whatever expires first.")
@click.option("--only-for", "features", multiple=True, help="Feature that the credits pay for; may be given again.")
@click.option("--key")
@refusing_clearly
def grant(
    account_id: str,
    credits: int,
    credit_type: str,
    code: str,
    note: str,
    ticket: str,
    campaign: str,
    expires: date | None,
    never_expires: bool,
    effective_at: datetime | None,
    priority: int,
    features: tuple[str, ...],
    key: str | None,
) -> None:
    """Give promotional, referral, compensation or rollover credits."""
    command = IssueGrant(
        account_id,
        CreditType(credit_type),
        credits,
        Reason(code, note, ticket),
        campaign=campaign,
        source="cli",
        expires_on=expires,
        never_expires=never_expires,
        effective_at=effective_at,
        priority=priority,
        features=features,
    )
    ledger = opened_ledger()
    run(ledger, command, key)
    _say_unpriced(ledger, features)


def _say_unpriced(ledger: Ledger, features: tuple[str, ...]) -> None:
    # No refusal: a hold may name a feature that has no price.
    with ledger.database.reading() as connection:
        priced = set(frames.load_feature_prices(connection)["feature"])
    if unpriced := sorted(set(features) - priced):
        click.echo(f"Only holds can use credits for {', '.join(unpriced)}: there is no such price.", err=True)


@main.command("top-up")
@click.argument("account_id")
@click.argument("credits", type=CREDITS)
@click.option("--cents", type=int, required=True, help="Price paid, in cents.")
@click.option("--currency", default="USD")
@click.option("--reference", required=True, help="Names the payment; can be used once.")
@click.option("--package", default="", help="Code of the package that was sold; its price and limit are checked.")
@click.option("--note", default="Paid outside the product", help="Why, in at least ten characters.")
@click.option("--key")
@refusing_clearly
def top_up(
    account_id: str,
    credits: int,
    cents: int,
    currency: str,
    reference: str,
    package: str,
    note: str,
    key: str | None,
) -> None:
    """Book credits that were paid outside, such as by bank transfer."""
    try:
        paid = Money(cents, currency)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--currency") from error
    reason = Reason("bank transfer", note)
    run(opened_ledger(), RecordTopUp(account_id, credits, paid, reference, reason, package=package), key)


@main.group()
def usage() -> None:
    """Record usage, one event or a file."""


@usage.command("record")
@click.argument("account_id")
@click.argument("feature")
@click.argument("quantity", type=CREDITS, default="1")
@click.option("--event", help="The event's own id; makes a repeat harmless. A new one unless given.")
@click.option("--at", type=INSTANT, help="When it happened; now unless given.")
@click.option("--complexity", default="", help="Which factor of the price applies.")
@click.option("--member", default="", help="Who of a pool it was.")
@refusing_clearly
def record(
    account_id: str, feature: str, quantity: int, event: str | None, at: datetime | None, complexity: str, member: str
) -> None:
    """Charge one event."""
    ledger = opened_ledger()
    event_id = event or f"cli:{uuid.uuid4()}"
    one = UsageEvent(event_id, feature, at or ledger.clock.now(), quantity, complexity, member)
    try:
        run(ledger, RecordUsage(account_id, one), event_id)
    except (KeyReused, EventReused):
        known = happened_at(ledger, account_id, event_id) if at is None else None
        if known is None:
            raise
        run(ledger, RecordUsage(account_id, replace(one, occurred_at=known)), event_id)


@usage.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--wrong-rows", type=click.Path(path_type=Path), help="Write refused and wrong rows to this CSV file.")
@refusing_clearly
def import_file(path: Path, wrong_rows: Path | None) -> None:
    """Record usage from FILE.csv or FILE.csv.gz; the same file twice records nothing twice.

    Columns: account, feature, quantity, occurred_at (or day), and optionally event_id.
    """
    with click.progressbar(length=real_data.count_rows(path), label="Usage rows") as bar:
        report = import_usage(opened_ledger(), path, actor=me(), on_progress=bar.update)
    _tell(report)
    if wrong_rows:
        _write_wrong_rows(report, wrong_rows)
    if report.faults or report.refused:
        sys.exit(1)


def _tell(report: ImportReport) -> None:
    click.echo(
        f"{report.rows:,} rows: {report.recorded:,} recorded, {report.replayed:,} known from before, "
        f"{len(report.refused):,} refused, {len(report.faults):,} wrong."
    )
    problems = [str(fault) for fault in report.faults]
    problems += [f"line {row.line}: {reason}" for row, reason in report.refused]
    for problem in problems[:FAULTS_SHOWN]:
        click.echo(f"  {problem}", err=True)
    if len(problems) > FAULTS_SHOWN:
        click.echo(f"  … and {len(problems) - FAULTS_SHOWN:,} more (--wrong-rows FILE lists all)", err=True)


def _write_wrong_rows(report: ImportReport, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(("line", "column", "value", "problem"))
        writer.writerows((fault.line, fault.column, fault.value, fault.mend) for fault in report.faults)
        writer.writerows((row.line, "", row.event.event_id, reason) for row, reason in report.refused)


@main.command()
@click.argument("account_id")
@refusing_clearly
def balance(account_id: str) -> None:
    """What an account can use now, by credit type."""
    show.balance(opened_ledger(), account_id)


@main.command()
@click.argument("account_id")
@refusing_clearly
def batches(account_id: str) -> None:
    """The batches of an account in the order in which they are used."""
    show.batches(opened_ledger(), account_id)


@main.command()
@click.argument("account_id")
@click.option("--limit", default=20, type=click.IntRange(1, 1000))
@refusing_clearly
def history(account_id: str, limit: int) -> None:
    """The newest transactions of an account."""
    show.history(opened_ledger(), account_id, limit)


@main.command()
@refusing_clearly
def expire() -> None:
    """Book every batch that has expired."""
    receipts = expire_due_everywhere(opened_ledger(), actor=SYSTEM)
    gone = sum(take.amount_micro for receipt in receipts for take in receipt.takes)
    click.echo(f"{micro_to_text(gone)} credits of {len(receipts)} accounts expired.")


@main.command()
@refusing_clearly
def doctor() -> None:
    """Check settings, database, migrations and the invariants of the books; exit code 1 when something is wrong."""
    results = doctor_checks.examine(settings())
    for result in results:
        click.echo(f"{'ok   ' if result.is_good else 'WRONG'} {result.subject}: {result.message}")
    if not all(result.is_good for result in results):
        sys.exit(1)


@main.command("import-real")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@refusing_clearly
def import_real(folder: Path) -> None:
    """Load customers.csv and usage.csv.gz of FOLDER with a made-up but plausible funding history.

    For proving the product on real usage: on a clock of its own, into an empty database.
    """
    real_data.load(settings().database_url, folder, say=click.echo)


main.add_command(account)
main.add_command(approvals)
main.add_command(refund)
main.add_command(overdraft)
main.add_command(catalog)
main.add_command(plan)
main.add_command(lead)
main.add_command(referral)
main.add_command(hold)
main.add_command(give_back)
main.add_command(adjust)
main.add_command(void)
main.add_command(reverse)
main.add_command(extend)
main.add_command(file_group)
main.add_command(explain)
main.add_command(report)
main.add_command(jobs)
main.add_command(keys)
main.add_command(mail)
main.add_command(alerts)
account.add_command(organisation)
catalog.add_command(cli_provider.sync)
for verb in (cli_provider.linked, cli_provider.link, cli_provider.take_over):
    account.add_command(verb)
main.add_command(transfer)
main.add_command(gift_codes)
main.add_command(pool)
main.add_command(payments)
main.add_command(recharge)
payments.add_command(refund_again)
main.add_command(subscription)
for verb in (*cli_time.VERBS, *cli_proof.VERBS):
    main.add_command(verb)


if __name__ == "__main__":
    main()
