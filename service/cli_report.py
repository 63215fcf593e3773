"""The balance report of a customer on the command line: `report CUSTOMER`, as Markdown or as JSON."""

import click
from pydantic_core import to_json

from service.cli_kit import opened_ledger, refusing_clearly


@click.command("report")
@click.argument("account_id")
@click.option("--json", "as_json", is_flag=True, help="As the HTTP API answers it, instead of Markdown.")
@refusing_clearly
def report(account_id: str, as_json: bool) -> None:
    """The balance report of a customer: balance, use, forecast, what expires, advice, what happened last."""
    # Frames and forecasts take a second to import; no other verb waits for them.
    from analytics.report_markdown import to_markdown
    from service.report_body import report_body
    from service.reports import make_report

    found = make_report(opened_ledger(), account_id)
    click.echo(to_json(report_body(found), indent=2).decode() if as_json else to_markdown(found), nl=as_json)
