"""Every mail that the product writes: its subject, who gets it, and what it is filled with.

The keys of ``sample`` are the variables of a template, all required: amounts end in ``_micro`` (credits) or ``_cents``
and are integers, days are ISO texts, instants ISO texts with an offset, links whole addresses (empty: no button).
``audience`` is a variable of every template and may be left out; it chooses the sentence that says why somebody gets
the mail and how to change that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Who is addressed → why they get it, and how to change that.
WHY: dict[str, str] = {
    "customer": (
        "You get this mail because this address is the contact of "
        "{% if customer is defined and customer %}{{ customer }} ({{ account }}){% else %}a customer{% endif %} "
        "at {{ company }}. To change the address, or which mails you get, tell your contact at {{ company }}."
    ),
    "owner": (
        "You get this mail because you are the account manager. Which alerts are raised and who is told is set on the "
        "page Alerts, tab Rules: {{ public_url }}/alerts"
    ),
    "manager": (
        "You get this mail once a week because you are the account manager of these customers at {{ public_url }}. "
        "Whoever runs the product can change that."
    ),
    "operators": (
        "You get this mail because this address is in the setting OPERATORS_MAIL of {{ public_url }}. Whoever runs the "
        "product can change it."
    ),
    "approvers": (
        "You get this mail because this address is in the setting APPROVERS_MAIL of {{ public_url }}, or in "
        "OPERATORS_MAIL while that is empty. Whoever runs the product can change it."
    ),
    "requester": "You get this mail because you asked for it at {{ public_url }}; each request is answered once.",
    "finance": (
        "You get this mail because you close the months at {{ public_url }}. Whoever runs the product can change who "
        "is told."
    ),
    "tester": "You get this mail because somebody sent a test from {{ public_url }}. No more follow by themselves.",
}


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of mail: files templates/<name>.html and .txt, the subject as a template of one line."""

    name: str
    title: str
    about: str
    audience: str
    subject: str
    sample: Mapping[str, Any]
    # Variables that keep their line breaks; all others are put on one line.
    paragraphs: frozenset[str] = field(default=frozenset())

    @property
    def variables(self) -> frozenset[str]:
        """Names of what it must be filled with."""
        return frozenset(self.sample)


_WHO = {"customer": "Northwind Robotics", "account": "cus_northwind"}
_TOP_UP = {"top_up_link": "https://credits.example/top_ups?customer=cus_northwind"}
_LINK = {"link": "https://credits.example/customer?customer=cus_northwind"}
_BATCHES = [
    {"credit_type": "promotional", "amount_micro": 900_000_000, "last_day": "2026-03-24", "label": "Spring campaign"},
    {"credit_type": "purchased", "amount_micro": 300_500_000, "last_day": "2026-03-24", "label": ""},
]

_ALL = (
    Template(
        "low_credit_balance",
        "Low balance",
        "The balance went below a share of the last funding, or below the customer's own line",
        "customer",
        "{{ balance_micro|credits }} credits left{% if runway %}, {{ runway }}{% endif %}",
        _WHO
        | {
            "balance_micro": 1_200_000_000,
            "runway": "about 29 days",
            "runway_range": "24 to 36 days",
            "reason": "less than 10 % of the last 12,000 credits is left",
        }
        | _TOP_UP,
    ),
    Template(
        "out_of_credits",
        "Out of credits",
        "Nothing is available any more; more usage is refused, or goes into an approved overdraft",
        "customer",
        "0 credits left{% if owed_micro %}, {{ owed_micro|credits }} owed{% endif %}: {{ customer }}",
        _WHO | {"owed_micro": 150_000_000, "overdraft_left_micro": 350_000_000} | _TOP_UP,
    ),
    Template(
        "expiring_soon",
        "Expiring soon",
        "Batches reach their last day in 30, 14 or 3 days",
        "customer",
        "{{ amount_micro|credits }} credits expire in {{ days }} day{{ '' if days == 1 else 's' }}",
        _WHO | {"days": 14, "amount_micro": 1_200_500_000, "batches": _BATCHES} | _LINK,
    ),
    Template(
        "plan_limit",
        "Plan limit",
        "80, 90 or 100 % of the credits of a plan's period are used",
        "customer",
        "{{ level }} % of the plan used: {{ used_micro|credits }} of {{ limit_micro|credits }} credits",
        _WHO
        | {
            "plan": "Team",
            "level": 90,
            "used_micro": 9_040_000_000,
            "limit_micro": 10_000_000_000,
            "renews_on": "2026-04-01",
        }
        | _TOP_UP,
    ),
    Template(
        "run_out_soon",
        "Run-out likely",
        "The forecast gives a good chance that credits run out before the next ones come",
        "owner",
        "{{ chance_pct }} % chance that {{ customer }} runs out before {{ before_on|day }}",
        _WHO
        | {
            "chance_pct": 80,
            "balance_micro": 1_200_000_000,
            "runway": "about 12 days",
            "runway_range": "9 to 17 days",
            "before_on": "2026-04-01",
            "reason": "when the next credits come",
        }
        | _LINK,
    ),
    Template(
        "unusual_use",
        "Unusual use",
        "A day's use of a feature is far from what is usual for that customer and weekday",
        "owner",
        "{{ used_micro|credits }} credits on {{ day|day }}, usually {{ usual_micro|credits }}: {{ customer }}",
        _WHO
        | {
            "feature": "Image upscaling",
            "day": "2026-03-09",
            "used_micro": 5_400_000_000,
            "usual_micro": 1_150_000_000,
            "reason": "expected once in about 400 days by chance",
        }
        | _LINK,
    ),
    Template(
        "alert_digest",
        "Digest of alerts",
        "Several alerts for one reader on one day",
        "owner",
        "{{ items|length }} alerts on {{ day|day }}",
        {
            # Of whom all of them are; empty when of several.
            "customer": "",
            "account": "",
            "day": "2026-03-10",
            "items": [
                {
                    "customer": "Northwind Robotics",
                    "account": "cus_northwind",
                    "title": "1,200 credits left, about 29 days",
                    "text": "less than 10 % of the last 12,000 credits is left",
                    "link": "https://credits.example/customer?customer=cus_northwind",
                },
                {
                    "customer": "Fabrikam & Sons",
                    "account": "cus_fabrikam",
                    "title": "0 credits left",
                    "text": "",
                    "link": "https://credits.example/customer?customer=cus_fabrikam",
                },
            ],
            "link": "https://credits.example/alerts",
        },
    ),
    Template(
        "gift_received",
        "Gift received",
        "Another account gave credits with a message",
        "customer",
        "{{ amount_micro|credits }} credits from {{ sender }}",
        _WHO
        | {
            "sender": "Fabrikam & Sons",
            "amount_micro": 500_000_000,
            "message": "Thank you for the workshop!\nThe whole team enjoyed it.",
            "balance_micro": 1_700_000_000,
            "batches": [
                {"credit_type": "purchased", "amount_micro": 500_000_000, "last_day": "2027-01-31", "label": ""},
            ],
        },
        frozenset({"message"}),
    ),
    Template(
        "approval_needed",
        "Approval needed",
        "Somebody asks a second person to let an act happen",
        "approvers",
        "Approval needed: {{ act }}{% if amount_micro %}, {{ amount_micro|credits }} credits{% endif %}",
        {
            "request_id": 17,
            "act": "issue credits",
            "amount_micro": 250_000_000_000,
            "account": "cus_northwind",
            "requester": "max@example.com",
            "note": "Agreed in the contract of March, section 4.",
        },
        frozenset({"note"}),
    ),
    Template(
        "approval_decided",
        "Approval decided",
        "A request was approved or refused; goes to who asked",
        "requester",
        "{{ state|capitalize }}: your request {{ request_id }} to {{ act }}",
        {
            "request_id": 17,
            "act": "issue credits",
            "state": "approved",
            "account": "cus_northwind",
            "decided_by": "bea@example.com",
            "note": "Fits the contract.",
        },
        frozenset({"note"}),
    ),
    Template(
        "purchase_receipt",
        "Receipt of a purchase",
        "A payment was booked",
        "customer",
        "Receipt: {{ amount_micro|credits }} credits for {{ price_cents|money(currency) }}",
        _WHO
        | {
            "amount_micro": 10_000_000_000,
            "price_cents": 89_900,
            "currency": "EUR",
            "package": "Team 10k",
            "reference": "INV-2026-0142",
            "paid_on": "2026-03-10",
            "last_day": "2027-03-10",
            "balance_micro": 11_200_000_000,
            "transaction_id": 8_123,
        },
    ),
    Template(
        "confirm_payment",
        "Payment to be confirmed",
        "The bank wants the customer to confirm a charge of the saved card by auto-recharge",
        "customer",
        "Please confirm {{ price_cents|money(currency) }} for {{ amount_micro|credits }} credits",
        _WHO
        | {
            "amount_micro": 10_000_000_000,
            "price_cents": 89_900,
            "currency": "EUR",
            "card": "visa •••• 3155, 12/30",
            "link": "https://credits.example/pay/mock/confirm/pi_8123",
        },
    ),
    Template(
        "recharge_stopped",
        "Auto-recharge stopped",
        "A rule of auto-recharge stopped, because the card was declined too often or nothing can be bought",
        "customer",
        "Auto-recharge stopped: {{ customer }}",
        _WHO
        | {
            "because": "the card was declined (insufficient funds)",
            "declines": 3,
            "balance_micro": 1_200_000_000,
        }
        | _LINK
        | _TOP_UP,
    ),
    Template(
        "payment_needs_you",
        "Payment that needs somebody",
        "A payment is paid and its credits may not be given, or a customer's bank disputes it",
        "owner",
        "{{ 'Disputed' if is_dispute else 'Paid, but not credited' }}: "
        "{{ price_cents|money(currency) }} of {{ customer }}",
        _WHO
        | {
            "is_dispute": False,
            "payment": "pay_0123456789abcdef01234567",
            "price_cents": 89_900,
            "currency": "EUR",
            "amount_micro": 10_000_000_000,
            "because": "Starter can be bought once",
        }
        | _LINK,
    ),
    Template(
        "job_failed",
        "Job failed",
        "A job did not end well; it is tried again by itself",
        "operators",
        "Job {{ job }} failed{% if fails > 1 %} {{ fails }} times in a row{% endif %}",
        {
            "job": "forecasts",
            "fails": 3,
            "failed_at": "2026-03-10T03:00:00+00:00",
            "next_try_at": "2026-03-10T03:08:00+00:00",
            "error": "Unavailable: The database did not answer (OperationalError).",
            "link": "https://credits.example/settings",
        },
        frozenset({"error"}),
    ),
    Template(
        "test_mail",
        "Test mail",
        "Sent from Settings to see whether mail arrives",
        "tester",
        "Test mail from {{ company }}",
        {"sent_by": "ada@example.com", "sent_at": "2026-03-10T12:00:00+00:00"},
    ),
    Template(
        "weekly_digest",
        "Week of an account manager",
        "Balance, use and runway of the account manager's customers, once a week",
        "manager",
        "{{ used_micro|credits }} credits used in the week of {{ first_day|day }}",
        {
            "owner": "max@example.com",
            "first_day": "2026-03-02",
            "last_day": "2026-03-08",
            "used_micro": 6_550_000_000,
            "customers": [
                {
                    "customer": "Northwind Robotics",
                    "account": "cus_northwind",
                    "balance_micro": 1_200_000_000,
                    "used_micro": 400_500_000,
                    "runway": "about 29 days",
                },
                {
                    "customer": "Fabrikam & Sons",
                    "account": "cus_fabrikam",
                    "balance_micro": 88_000_000_000,
                    "used_micro": 6_149_500_000,
                    "runway": "",
                },
            ],
            "link": "https://credits.example/customers",
        },
    ),
    Template(
        "month_ready",
        "Month ready to close",
        "A month is over and its figures are final unless somebody books into it",
        "finance",
        "{{ month }} is ready to close: {{ consumed_micro|credits }} credits consumed",
        {
            "month": "February 2026",
            "issued_micro": 120_000_000_000,
            "consumed_micro": 96_400_000_000,
            "expired_micro": 2_310_000_000,
            "transactions": 18_204,
            "link": "https://credits.example/",
        },
    ),
)

TEMPLATES: dict[str, Template] = {template.name: template for template in _ALL}
