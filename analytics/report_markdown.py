"""The Credits Balance Report as Markdown: the text that a person mails, prints or files.

Whatever people typed is escaped, so that a customer's name is shown and never read as an image, a link or a table.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime

from analytics.advice import Advice
from analytics.advice import sentence as advice_sentence
from analytics.figures import Change
from analytics.report import Absent, ExpiringLine, Point, Report, TransactionLine, Worth
from analytics.words import (
    change_words,
    credit_text,
    day_text,
    money_text,
    percent_text,
    rough_text,
    unit_price_text,
)
from ledger.core.amounts import MICRO

ENGLISH = Locale("en", "US")
STATUS_WORDS = {"covered": "🟢 covered", "at risk": "🟡 at risk", "out": "🔴 out"}
TREND_WORDS = {"rising": "↑ rising", "falling": "↓ falling", "steady": "→ steady"}
_BAR_CHARS = 10
# Less than this is not worth a word.
_WORTH_SAYING = 1.0
_PUNCTUATION = re.compile(r"([\\`*_\[\]<>|~$&#])")
# Ids that can stand between backticks as they are.
_PLAIN_ID = re.compile(r"[\w.:@/-]+")
_JOINER = "\u2060"
_RECOGNISED_LATER = re.compile(r"(?i)://|@(?=\S)|www(?=\.)")


def escape(text: object) -> str:
    """Text that people typed, on one line, read as nothing but these characters by any reader of Markdown."""
    one_line = " ".join(str(text).split())
    # Addresses are recognised after escapes are gone; a character without width between their parts prevents it.
    apart = _RECOGNISED_LATER.sub(lambda found: found[0] + _JOINER, one_line)
    return _PUNCTUATION.sub(r"\\\1", apart)


def to_markdown(report: Report, locale: Locale = ENGLISH) -> str:
    """The report as text, sections and tables always in the same order. Numbers and dates in the locale's way."""
    writer = _Writer(report, locale)
    sections = (
        writer.head(),
        writer.summary(),
        writer.by_type(),
        writer.timeline(),
        writer.usage(),
        writer.by_feature(),
        writer.trend(),
        writer.forecast(),
        writer.expiring(),
        writer.recommendations(),
        writer.history(),
        writer.actions(),
        writer.foot(),
    )
    return "\n\n".join("\n".join(lines) for lines in sections) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_row(header), _row(["---"] * len(header)), *(_row(row) for row in rows)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


class _Writer:
    """The sections of one report in one locale; each answers its lines."""

    def __init__(self, report: Report, locale: Locale) -> None:
        self.report, self.locale = report, locale

    def credits(self, micro: int) -> str:
        return credit_text(micro, self.locale)

    def rough(self, credits: float) -> str:
        return rough_text(credits * MICRO, self.locale)

    def day(self, day: date) -> str:
        return day_text(day, self.locale)

    def money(self, worth: Worth) -> str:
        found = [money_text(one.cents, one.currency, self.locale) for one in worth.money]
        return " + ".join(found) if found else "–"

    def moved(self, change: Change) -> str:
        return change_words(change, self.locale) or "–"

    def instant(self, zone: ZoneInfo) -> str:
        return str(format_datetime(self.report.at, "d MMM y, HH:mm", tzinfo=zone, locale=self.locale))

    def head(self) -> list[str]:
        customer, zone = self.report.customer, self.report.zone
        kind = customer.account_type.value.capitalize() + (f", tier {escape(customer.tier)}" if customer.tier else "")
        facts = {
            "Customer": escape(customer.name),
            "Customer ID": f"`{customer.account}`"
            if _PLAIN_ID.fullmatch(customer.account)
            else escape(customer.account),
            "Account type": kind,
            "As of": f"{self.instant(zone)} ({zone.key})",
        }
        # Two spaces at the end of a line keep the next one below it.
        return ["## Credits Balance Report", "", *(f"**{name}**: {value}  " for name, value in facts.items())]

    def summary(self) -> list[str]:
        found = self.report.summary
        rows = [
            ["Current balance", self.credits(found.balance.amount_micro), self.money(found.balance)],
            ["Reserved (held)", self.credits(found.held.amount_micro), self.money(found.held)],
            ["**Available**", f"**{self.credits(found.available.amount_micro)}**", self.money(found.available)],
            ["Expiring in 30 days", self.credits(found.expiring.amount_micro), self.money(found.expiring)],
        ]
        if found.owed_micro:
            rows.append(["Owed, taken off the balance", self.credits(found.owed_micro), "–"])
        lines = ["### Balance summary", "", *_table(("Category", "Credits", "Paid for them"), rows)]
        if not found.balance.money:
            lines += ["", "Nothing of the balance was paid for, so it has no value in money."]
        return lines

    def by_type(self) -> list[str]:
        rows = [
            [
                line.credit_type.value.capitalize(),
                self.credits(line.available_micro),
                "–" if line.expires_on is None else self.day(line.expires_on),
                "–" if isinstance(line.share, Absent) else percent_text(line.share, self.locale),
            ]
            for line in self.report.by_type
        ]
        return ["### Balance by type", "", *_table(("Type", "Available", "Next expiry", "% of total"), rows)]

    def timeline(self) -> list[str]:
        report = self.report
        ahead = [
            f"{point.label}: {self.rough(point.status.likely)} credits{self._range(point)}{self._lost(point.wasted)}"
            for point in report.ahead.points
        ]
        return [
            "### Balance timeline",
            "",
            "```",
            f"         ▼ Today, {self.day(report.today)}",
            "─" * 9 + "●" + "─" * 33,
            f"         {self.credits(report.summary.available.amount_micro)} credits available",
            "",
            *ahead,
            "```",
        ]

    def _range(self, point: Point) -> str:
        low, high = self.rough(point.status.low), self.rough(point.status.high)
        return "" if low == high else f" ({low} to {high})"

    def _lost(self, wasted: float) -> str:
        return f", after {self.rough(wasted)} expire unused" if wasted >= _WORTH_SAYING else ""

    def usage(self) -> list[str]:
        found = self.report.usage
        days = f"{self.day(found.period.since)} to {self.day(found.period.last)}"
        other = f"{self.day(found.before.since)} to {self.day(found.before.last)}"
        assert found.used.value is not None and found.rate.value is not None
        price = "–"
        if not isinstance(found.paid_per_credit, Absent):
            price = " + ".join(unit_price_text(cents, name, self.locale) for cents, name in found.paid_per_credit)
        rows = [
            ["Credits used", self.credits(int(found.used.value)), self.moved(found.used_change)],
            ["Daily burn rate", f"{rough_text(found.rate.value, self.locale)}/day", self.moved(found.rate_change)],
            ["Paid per credit bought", price, "–"],
        ]
        lines = [
            "### Usage analysis",
            "",
            "#### Last 30 days",
            "",
            f"{days}, compared with {other}.",
            "",
            *_table(("Metric", "Value", "vs 30 days before"), rows),
        ]
        if isinstance(found.paid_per_credit, Absent):
            lines += ["", f"Paid per credit: not known, {found.paid_per_credit.reason}."]
        return lines

    def by_feature(self) -> list[str]:
        lines = ["#### Usage by feature", ""]
        if not self.report.by_feature:
            return [*lines, "No credits were used in these days."]
        rows = [
            [
                escape(line.label),
                self.credits(line.used_micro),
                percent_text(line.share, self.locale),
                TREND_WORDS.get(line.trend, line.trend),
            ]
            for line in self.report.by_feature
        ]
        return lines + _table(("Feature", "Credits", "% of total", "Trend"), rows)

    def trend(self) -> list[str]:
        days, rate = self.report.days, self.report.usage.rate
        assert rate.value is not None
        most = max(line.used_micro for line in days)
        rows = [(f"Day {number}:", line.used_micro, "") for number, line in enumerate(days, start=1)]
        rows.append(("Avg:", round(rate.value), "/day"))
        bars = [f"{label:<8}[{_bar(used, most)}] {self.rough(used / MICRO)}{unit}" for label, used, unit in rows]
        first, last = self.day(days[0].day), self.day(days[-1].day)
        words = f"Day 1 is {first}, day {len(days)} is {last}, which is not over yet."
        return ["#### Usage trend (last 30 days)", "", words, "", "```", *bars, "```"]

    def forecast(self) -> list[str]:
        ahead = self.report.ahead
        rows = [
            [
                point.label,
                self.day(point.status.day),
                f"{self.rough(point.status.likely)} credits",
                f"{self.rough(point.status.low)} – {self.rough(point.status.high)}",
                STATUS_WORDS[point.status.word],
            ]
            for point in ahead.points
        ]
        lines = ["### Forecast", "", *_table(("Timeframe", "Day", "Projected balance", "80 % range", "Status"), rows)]
        lines += ["", f"**Estimated depletion**: {ahead.sentence}"]
        pace = f"Expected use: {self.rough(ahead.burn_a_day)} credits a day, from the days up to "
        lines += ["", f"{pace}{self.day(ahead.known_until)}, if nothing is added."]
        if ahead.method_reason:
            lines += ["", f"Estimate: {ahead.method_reason}."]
        return lines

    def expiring(self) -> list[str]:
        lines, found = self.report.expiring, self.report.summary.expiring
        head = ["### Expiring credits", ""]
        if not lines:
            return [*head, "No credits expire in the next 30 days."]
        value = f" ({self.money(found)} paid for them)" if found.money else ""
        words = f"⚠️ **{self.credits(found.amount_micro)} credits{value} expire within 30 days**, "
        words += f"the first {_in_days(lines[0].days_left)}"
        rows = [
            [
                _batch(line),
                self.credits(line.left_micro),
                self.day(line.expires_on),
                f"Use or lose: about {self.rough(line.wasted)} will expire unused"
                if line.wasted >= _WORTH_SAYING
                else "Will be used up by then",
            ]
            for line in lines
        ]
        return [*head, f"{words}.", "", *_table(("Batch", "Credits", "Expires", "Action"), rows)]

    def recommendations(self) -> list[str]:
        now, tips = [], []
        for line in self.report.expiring:
            if line.wasted >= _WORTH_SAYING:
                more = line.wasted / max(line.days_left, 1)
                now.append(
                    f"**Use expiring credits**: {self.rough(line.wasted)} of {_batch(line)} expire unused "
                    f"{_in_days(line.days_left)} unless {self.rough(more)} more a day are used."
                    + self._use_them_for(line)
                )
        advice = self.report.advice
        if isinstance(advice, Advice):
            name = "Top-up recommended" if advice.need_micro else "Top-up"
            now.append(f"**{name}**: {advice_sentence(advice, self.locale, typed=escape)}")
            if advice.fit is not None and advice.fit.saved.cents > 0:
                saved = money_text(advice.fit.saved.cents, advice.fit.saved.currency, self.locale)
                tips.append(
                    f"**Larger package**: {escape(advice.fit.package.label)} covers the same need for less than "
                    f"{escape(advice.fit.dearest.label)}.\n   - Potential savings: {saved}"
                )
        else:
            now.append(f"**Top-up**: cannot be suggested, {advice.reason}.")
        lines = ["### Recommendations", "", "#### Immediate actions", ""]
        lines += [f"{number}. {words}" for number, words in enumerate(now, start=1)]
        if tips:
            lines += ["", "#### Optimization tips", ""]
            lines += [f"{number}. {words}" for number, words in enumerate(tips, start=1)]
        return lines

    def _use_them_for(self, line: ExpiringLine) -> str:
        """Where to spend what would be lost: on what the batch is for, else on what is used most."""
        if line.only_for:
            return f"\n   - They pay for {escape(line.only_for)} only"
        if self.report.by_feature:
            return f"\n   - Suggested: {escape(self.report.by_feature[0].label)}, which is used most"
        return ""

    def history(self) -> list[str]:
        zone = self.report.zone
        rows = [
            [
                self.day(line.recorded_at.astimezone(zone).date()),
                _kind(line),
                credit_text(line.amount_micro, self.locale, signed=True) if line.amount_micro else "–",
                self.credits(line.available_after_micro),
                escape(line.words),
            ]
            for line in self.report.recent
        ]
        header = ("Date", "Type", "Amount", "Available after", "Description")
        return ["### Transaction history (recent)", "", *_table(header, rows)]

    def actions(self) -> list[str]:
        return ["### Quick actions", "", *(f"- [{link.label} →]({link.url})" for link in self.report.links)]

    def foot(self) -> list[str]:
        report = self.report
        words = f"Days in {report.zone.key}; up to ledger entry {report.last_transaction}."
        return ["---", "", f"From {escape(report.company)}. {words}"]


def _bar(used_micro: int, most_micro: int) -> str:
    filled = round(_BAR_CHARS * used_micro / most_micro) if most_micro > 0 else 0
    return "█" * filled + "░" * (_BAR_CHARS - filled)


def _batch(line: ExpiringLine) -> str:
    name = f"{line.credit_type.value.capitalize()} #{line.batch_id}"
    return f"{name} ({escape(line.campaign)})" if line.campaign else name


def _kind(line: TransactionLine) -> str:
    if line.kind == "expire":
        return "Expiry"
    if not line.amount_micro:
        return "–"
    return "Credit" if line.amount_micro > 0 else "Debit"


def _in_days(days: int) -> str:
    return "today" if days == 0 else f"in {days} day{'s' * (days != 1)}"
