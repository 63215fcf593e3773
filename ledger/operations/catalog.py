"""What is for sale: prices of features, bundles that make them cheaper, packages of credits. Versions, never edits."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

import sqlalchemy as sa

from ledger.commands import Command, Outcome, Reason, amount_faults, instant_faults, text_faults
from ledger.context import Context
from ledger.core.amounts import MAX_MICRO, MICRO, Money
from ledger.core.packages import STANDARD_LIST
from ledger.core.policy import Permission
from ledger.core.pricing import PPM
from ledger.errors import Fault, InvalidCommand
from ledger.models import bundle, bundle_feature, feature_price, package
from ledger.receipt import Receipt
from ledger.statements import Prepared

MAX_FACTOR_MICRO = 1000 * MICRO
MAX_PER_CUSTOMER = 1_000_000
CODE_MAX_CHARS = 120

_PRICE_AT = Prepared(
    sa.select(feature_price.c.id).where(
        feature_price.c.feature == sa.bindparam("feature"), feature_price.c.effective_at == sa.bindparam("at")
    )
)
_INSERT_PRICE = Prepared(sa.insert(feature_price).inline())
_PACKAGE_AT = Prepared(
    sa.select(package.c.id).where(package.c.code == sa.bindparam("code"), package.c.effective_at == sa.bindparam("at"))
)
_INSERT_PACKAGE = Prepared(sa.insert(package).inline())
_BUNDLE_NAMED = Prepared(sa.select(bundle.c.id).where(bundle.c.code == sa.bindparam("code")))
_PRICED_FEATURES = Prepared(sa.select(feature_price.c.feature).distinct())
_INSERT_BUNDLE = Prepared(sa.insert(bundle).inline())
_INSERT_BUNDLE_FEATURE = Prepared(sa.insert(bundle_feature).inline())


@dataclass(frozen=True, slots=True)
class SetFeaturePrice(Command):
    """A new version of a feature's price in credits per unit, in force from ``effective_at`` (None: from now on).

    ``ends_at`` takes the feature off sale from then on; a version that ends as it begins closes the sale at once.
    """

    kind: ClassVar[str] = "set_feature_price"
    permission: ClassVar[Permission] = Permission.MANAGE_CATALOG

    feature: str
    price_micro: int
    label: str = ""
    unit: str = "call"
    effective_at: datetime | None = None
    # Not for sale from then on; None: no end.
    ends_at: datetime | None = None
    # What a use of some complexity costs, as millionths of the price: {"high": 2_000_000} is twice as much.
    factors: dict[str, int] = field(default_factory=dict)
    reason: Reason | None = None

    def faults(self) -> list[Fault]:
        return [
            *self._factor_faults(),
            *text_faults("feature", self.feature, longest=CODE_MAX_CHARS),
            *text_faults("label", self.label, required=False),
            *text_faults("unit", self.unit, longest=40),
            *amount_faults("price", self.price_micro),
            *_time_faults(self.effective_at, self.ends_at),
            *_reason_faults(self.reason),
        ]

    def _factor_faults(self) -> list[Fault]:
        found = []
        for name, factor in self.factors.items():
            found += text_faults("factors", name, longest=CODE_MAX_CHARS)
            if not 0 < factor <= MAX_FACTOR_MICRO:
                found.append(Fault("factors", f"{name} must be more than 0 and at most 1,000"))
        return found


@dataclass(frozen=True, slots=True)
class DefinePackage(Command):
    """A new version of what is sold under a code, for sale from ``effective_at`` (None: from now on) to ``ends_at``.

    ``per_customer_limit`` counts what one customer ever bought under that code; a version that ends as it begins takes
    the package off sale.
    """

    kind: ClassVar[str] = "define_package"
    permission: ClassVar[Permission] = Permission.MANAGE_CATALOG

    code: str
    label: str
    credits_micro: int
    price: Money
    price_list: str = STANDARD_LIST
    per_customer_limit: int | None = None
    effective_at: datetime | None = None
    ends_at: datetime | None = None
    reason: Reason | None = None

    def faults(self) -> list[Fault]:
        found = [
            *text_faults("code", self.code, longest=CODE_MAX_CHARS),
            *text_faults("label", self.label, longest=CODE_MAX_CHARS),
            *text_faults("price_list", self.price_list, longest=CODE_MAX_CHARS),
            *amount_faults("credits", self.credits_micro),
            *_time_faults(self.effective_at, self.ends_at),
            *_reason_faults(self.reason),
        ]
        if not 0 < self.price.cents <= MAX_MICRO:
            found.append(Fault("price", "must be more than 0; give free credits as a grant"))
        if self.per_customer_limit is not None and not 0 < self.per_customer_limit <= MAX_PER_CUSTOMER:
            found.append(Fault("per_customer_limit", f"must be 1 to {MAX_PER_CUSTOMER:,}, or empty for any number"))
        return found


@dataclass(frozen=True, slots=True)
class DefineBundle(Command):
    """Features at a discount for a limited time. ``discount_ppm`` are millionths off: 100,000 is 10 %.

    A bundle is never changed; another season or discount is another code.
    """

    kind: ClassVar[str] = "define_bundle"
    permission: ClassVar[Permission] = Permission.MANAGE_CATALOG

    code: str
    label: str
    features: tuple[str, ...]
    discount_ppm: int
    ends_at: datetime
    effective_at: datetime | None = None
    reason: Reason | None = None

    def faults(self) -> list[Fault]:
        found = [
            *text_faults("code", self.code, longest=CODE_MAX_CHARS),
            *text_faults("label", self.label, longest=CODE_MAX_CHARS),
            *_time_faults(self.effective_at, self.ends_at),
            *_reason_faults(self.reason),
        ]
        if not self.features:
            found.append(Fault("features", "name at least one"))
        if len(set(self.features)) < len(self.features):
            found.append(Fault("features", "names one twice"))
        if not 0 < self.discount_ppm < PPM:
            found.append(Fault("discount", "must be more than 0 and less than 100 %"))
        return found


def set_feature_price(context: Context, command: SetFeaturePrice) -> Outcome:
    effective_at = command.effective_at or context.at
    same, next_id = context.begin(
        (_PRICE_AT, {"feature": command.feature, "at": effective_at}), context.work.next_ids(feature_price)
    )
    _refuse_end_before(effective_at, command.ends_at)
    if same:
        raise InvalidCommand(
            [Fault("effective_at", f"{command.feature} has a price from that very instant already; choose another")]
        )
    id_ = context.work.ids_of(next_id)[0]
    context.queue(
        _INSERT_PRICE,
        {
            "id": id_,
            "feature": command.feature,
            "label": command.label or command.feature,
            "unit": command.unit,
            "price_micro": command.price_micro,
            "effective_at": effective_at,
            "ends_at": command.ends_at,
            "factors": command.factors,
            "transaction_id": context.transaction_id,
        },
    )
    return _defined(context, command, id_, effective_at)


def define_package(context: Context, command: DefinePackage) -> Outcome:
    effective_at = command.effective_at or context.at
    code = command.code.strip()
    same, next_id = context.begin((_PACKAGE_AT, {"code": code, "at": effective_at}), context.work.next_ids(package))
    if same:
        raise InvalidCommand(
            [Fault("effective_at", f"{code} has a version from that very instant already; choose another")]
        )
    _refuse_past(effective_at, context.at)
    _refuse_end_before(effective_at, command.ends_at)
    id_ = context.work.ids_of(next_id)[0]
    context.queue(
        _INSERT_PACKAGE,
        {
            "id": id_,
            "code": code,
            "label": command.label.strip(),
            "price_list": command.price_list.strip(),
            "credits_micro": command.credits_micro,
            "price_cents": command.price.cents,
            "currency": command.price.currency,
            "per_customer_limit": command.per_customer_limit,
            "effective_at": effective_at,
            "ends_at": command.ends_at,
            "transaction_id": context.transaction_id,
        },
    )
    return _defined(context, command, id_, effective_at)


def define_bundle(context: Context, command: DefineBundle) -> Outcome:
    effective_at = command.effective_at or context.at
    code = command.code.strip()
    same, priced, next_id = context.begin(
        (_BUNDLE_NAMED, {"code": code}), (_PRICED_FEATURES, {}), context.work.next_ids(bundle)
    )
    if same:
        raise InvalidCommand([Fault("code", f"{code!r} exists already; bundles are not changed, choose another code")])
    unknown = sorted(set(command.features) - {row[0] for row in priced})
    if unknown:
        raise InvalidCommand([Fault("features", f"{', '.join(unknown)}: no such feature has a price")])
    _refuse_past(effective_at, context.at)
    if command.ends_at <= effective_at:
        raise InvalidCommand([Fault("ends_at", "must be after the start")])
    id_ = context.work.ids_of(next_id)[0]
    context.queue(
        _INSERT_BUNDLE,
        {
            "id": id_,
            "code": code,
            "label": command.label.strip(),
            "discount_ppm": command.discount_ppm,
            "effective_at": effective_at,
            "ends_at": command.ends_at,
            "transaction_id": context.transaction_id,
        },
    )
    for feature in command.features:
        context.queue(_INSERT_BUNDLE_FEATURE, {"bundle_id": id_, "feature": feature})
    return _defined(context, command, id_, effective_at)


def _defined(
    context: Context, command: SetFeaturePrice | DefinePackage | DefineBundle, id_: int, effective_at: datetime
) -> Outcome:
    receipt = Receipt(command.kind, None, context.at, subject_id=id_)
    return Outcome(receipt, None, effective_at, command.reason or Reason("", ""))


def _time_faults(effective_at: datetime | None, ends_at: datetime | None) -> list[Fault]:
    return [*instant_faults("effective_at", effective_at), *instant_faults("ends_at", ends_at)]


def _reason_faults(reason: Reason | None) -> list[Fault]:
    return [] if reason is None else reason.faults()


def _refuse_past(effective_at: datetime, at: datetime) -> None:
    if effective_at < at:
        raise InvalidCommand([Fault("effective_at", "is in the past; it can only be for sale from now on or later")])


def _refuse_end_before(effective_at: datetime, ends_at: datetime | None) -> None:
    if ends_at is not None and ends_at < effective_at:
        raise InvalidCommand([Fault("ends_at", "must not be before the start")])
