"""Accounts and prices can be remembered: the catalogue has a version, and what is written says which ones it went by.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from ledger.migrations.functions_0005 import LOAD_FOR_CHARGES, POST_TO_LEDGER

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CATALOG = ("feature_price", "bundle", "bundle_feature")
# Whoever writes these rows has locked the account or writes the transaction in the same breath; reconcile looks again.
# Looking each of them up once more cost a charge a twentieth and a hold a tenth of the server's time.
NEEDLESS_KEYS = (
    ("transaction", "fk_transaction_account_id_account", "FOREIGN KEY(account_id) REFERENCES account (id)"),
    ("hold", "fk_hold_account_id_account", "FOREIGN KEY(account_id) REFERENCES account (id)"),
    ("hold", "fk_hold_made_by_id_transaction", 'FOREIGN KEY(made_by_id) REFERENCES "transaction" (id)'),
    ("hold", "fk_hold_resolved_by_id_transaction", 'FOREIGN KEY(resolved_by_id) REFERENCES "transaction" (id)'),
    ("hold_part", "fk_hold_part_hold_id_hold", "FOREIGN KEY(hold_id) REFERENCES hold (id)"),
    ("hold_part", "fk_hold_part_batch_id_batch", "FOREIGN KEY(batch_id) REFERENCES batch (id)"),
)


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    op.add_column(
        "company",
        sa.Column(
            "catalog_version",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="moves with every new price and bundle",
        ),
    )
    _count_catalog(is_postgresql)
    _drop_needless_keys(is_postgresql)
    if is_postgresql:
        for function in ("load_for_usage", "load_for_charges", "post_to_ledger"):
            op.execute(f"DROP FUNCTION {function}")
        for function in (LOAD_FOR_CHARGES, POST_TO_LEDGER):
            op.execute(function)


def downgrade() -> None:
    raise NotImplementedError("facts are never thrown away: restore a backup made before the upgrade instead")


def _count_catalog(is_postgresql: bool) -> None:
    moved = "UPDATE company SET catalog_version = catalog_version + 1"
    if is_postgresql:
        op.execute(
            f"CREATE FUNCTION count_catalog() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {moved}; RETURN NULL; END $$"
        )
    for table in CATALOG:
        if is_postgresql:
            how = "FOR EACH STATEMENT EXECUTE FUNCTION count_catalog()"
            op.execute(f'CREATE TRIGGER count_catalog AFTER INSERT ON "{table}" {how}')
        else:
            op.execute(f'CREATE TRIGGER count_catalog_{table} AFTER INSERT ON "{table}" BEGIN {moved}; END')


def _drop_needless_keys(is_postgresql: bool) -> None:
    if is_postgresql:
        for table, name, _ in NEEDLESS_KEYS:
            op.drop_constraint(op.f(name), table, type_="foreignkey")
        return
    # SQLite cannot drop a constraint; its text is changed where SQLite keeps it, as in 0004.
    bind = op.get_bind()
    op.execute("PRAGMA writable_schema = ON")
    for table, name, key in NEEDLESS_KEYS:
        done = bind.execute(
            sa.text(
                "UPDATE sqlite_schema SET sql = replace(sql, :key, '') "
                "WHERE type = 'table' AND name = :table AND instr(sql, :key) > 0"
            ),
            {"table": table, "key": f", \n\tCONSTRAINT {name} {key}"},
        )
        assert done.rowcount == 1, f"{name} is not the one that 0001 made"
    op.execute("PRAGMA writable_schema = RESET")
