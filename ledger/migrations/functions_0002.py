"""The database functions of the hot path as migration 0002 leaves them: a charge in two calls.

They load everything that a charge has to know under the account's lock, and write everything that a transaction says.
Neither decides anything; that is ledger/core (docs/decisions/0002). Each statement of a function has a snapshot of its
own under READ COMMITTED, so what follows the lock sees all earlier writers.
"""

LOAD_FOR_USAGE = """
CREATE FUNCTION load_for_usage(
    p_account text, p_actor text, p_key text, p_feature text, p_at timestamptz, p_event text
) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
    a record;
BEGIN
    SELECT id, external_id, zone, available_micro, held_micro, owed_micro, overdraft_limit_micro, overdraft_until, kind
        INTO a FROM account WHERE external_id = p_account FOR UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    RETURN json_build_object(
        'account', json_build_array(a.id, a.external_id, a.zone, a.available_micro, a.held_micro, a.owed_micro,
            a.overdraft_limit_micro, (extract(epoch FROM a.overdraft_until) * 1000000)::bigint, a.kind),
        'batches', (
            SELECT json_agg(json_build_array(
                id, credit_type, remaining_micro, held_micro, priority,
                (extract(epoch FROM effective_at) * 1000000)::bigint,
                (extract(epoch FROM expires_at) * 1000000)::bigint, features))
            FROM batch WHERE account_id = a.id AND NOT is_spent),
        'known', (
            SELECT json_build_array(id, digest, receipt)
            FROM transaction WHERE actor = p_actor AND key = p_key),
        'event', (
            SELECT json_build_array(transaction_id, feature, quantity_micro,
                (extract(epoch FROM occurred_at) * 1000000)::bigint, member, complexity)
            FROM usage_event WHERE account_id = a.id AND event_id = p_event),
        'price', (
            SELECT json_build_array(id, price_micro, factors) FROM (
                SELECT id, price_micro, factors, ends_at FROM feature_price
                WHERE feature = p_feature AND effective_at <= p_at ORDER BY effective_at DESC LIMIT 1) newest
            WHERE ends_at IS NULL OR ends_at > p_at),
        'bundle', (
            SELECT json_build_array(b.id, b.discount_ppm)
            FROM bundle_feature f JOIN bundle b ON b.id = f.bundle_id
            WHERE f.feature = p_feature AND b.effective_at <= p_at AND b.ends_at > p_at
            ORDER BY b.discount_ppm DESC, b.id LIMIT 1),
        'transaction_id', nextval('transaction_id_seq'),
        'event_row_id', nextval('usage_event_id_seq')
    );
END $$
"""
# What many callers at once have to know (ledger/coalescing.py): one lock and one snapshot for all.
# Keys and events are looked up one by one in the order of the requests, so that each lookup is an index probe.
LOAD_FOR_CHARGES = """
CREATE FUNCTION load_for_charges(p_body text) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
    body CONSTANT jsonb := p_body;
    requests CONSTANT jsonb := body->'requests';
    locked json;
    ids bigint[];
BEGIN
    SELECT json_agg(json_build_array(id, external_id, zone, available_micro, held_micro, owed_micro,
                overdraft_limit_micro, (extract(epoch FROM overdraft_until) * 1000000)::bigint, kind)),
            array_agg(id)
        INTO locked, ids
        FROM (SELECT * FROM account
              WHERE external_id = ANY (ARRAY(SELECT jsonb_array_elements_text(body->'accounts')))
              ORDER BY id FOR UPDATE) a;
    RETURN json_build_object(
        'accounts', locked,
        'batches', (
            SELECT json_agg(json_build_array(
                account_id, id, credit_type, remaining_micro, held_micro, priority,
                (extract(epoch FROM effective_at) * 1000000)::bigint,
                (extract(epoch FROM expires_at) * 1000000)::bigint, features))
            FROM batch WHERE account_id = ANY (ids) AND NOT is_spent),
        'known', (
            SELECT json_agg((
                SELECT json_build_array(t.id, t.digest, t.receipt) FROM transaction t
                WHERE t.actor = r.value->>0 AND t.key = r.value->>1) ORDER BY r.ordinality)
            FROM jsonb_array_elements(requests) WITH ORDINALITY r),
        'events', (
            SELECT json_agg((
                SELECT json_build_array(e.transaction_id, e.feature, e.quantity_micro,
                    (extract(epoch FROM e.occurred_at) * 1000000)::bigint, e.member, e.complexity)
                FROM usage_event e
                WHERE e.account_id = (SELECT a.id FROM account a WHERE a.external_id = r.value->>2)
                    AND e.event_id = r.value->>3) ORDER BY r.ordinality)
            FROM jsonb_array_elements(requests) WITH ORDINALITY r),
        'prices', (
            SELECT json_agg(json_build_array(feature, (extract(epoch FROM effective_at) * 1000000)::bigint, id,
                price_micro, factors, (extract(epoch FROM ends_at) * 1000000)::bigint) ORDER BY feature, effective_at)
            FROM feature_price WHERE feature = ANY (ARRAY(SELECT jsonb_array_elements_text(body->'features')))),
        'bundles', (
            SELECT json_agg(json_build_array(f.feature, b.id, b.discount_ppm,
                (extract(epoch FROM b.effective_at) * 1000000)::bigint,
                (extract(epoch FROM b.ends_at) * 1000000)::bigint) ORDER BY b.discount_ppm DESC, b.id)
            FROM bundle_feature f JOIN bundle b ON b.id = f.bundle_id
            WHERE f.feature = ANY (ARRAY(SELECT jsonb_array_elements_text(body->'features')))),
        'transaction_ids', (
            SELECT json_agg(nextval('transaction_id_seq')) FROM generate_series(1, jsonb_array_length(requests))),
        'event_row_ids', (
            SELECT json_agg(nextval('usage_event_id_seq')) FROM generate_series(1, jsonb_array_length(requests)))
    );
END $$
"""
# One transaction or several, batches as objects, other rows as arrays in the order of ledger/journal.py's columns.
# Totals come added up: one row of each at most. Whether there are rows is asked first, because a statement without rows
# still reads all checks of its table anew.
POST_TO_LEDGER = """
CREATE FUNCTION post_to_ledger(p_body text) RETURNS void LANGUAGE plpgsql
-- Plans are kept, and how many rows will come is not known: only probes of the primary keys stay right at any size.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    body CONSTANT jsonb := p_body;
BEGIN
    INSERT INTO transaction (id, kind, account_id, actor, role, key, digest, reason_code, note, ticket, effective_at,
                             recorded_at, reverses_id, approval_id, receipt)
        SELECT (t->>0)::bigint, t->>1, (t->>2)::bigint, t->>3, t->>4, t->>5, t->>6, t->>7, t->>8, t->>9,
               (t->>10)::timestamptz, (t->>11)::timestamptz, (t->>12)::bigint, (t->>13)::bigint, t->14
        FROM jsonb_array_elements(body->'transactions') t;
    IF jsonb_array_length(body->'batches') > 0 THEN
        INSERT INTO batch (id, account_id, credit_type, granted_micro, remaining_micro, held_micro, priority,
                           granted_at, effective_at, expires_at, cost_cents, currency, source, campaign, reference,
                           parent_id, made_by_id, features, details)
            SELECT (r->>'id')::bigint, (r->>'account_id')::bigint, r->>'credit_type', (r->>'granted_micro')::bigint,
                   (r->>'remaining_micro')::bigint, (r->>'held_micro')::bigint, (r->>'priority')::int,
                   (r->>'granted_at')::timestamptz, (r->>'effective_at')::timestamptz,
                   (r->>'expires_at')::timestamptz, (r->>'cost_cents')::bigint, r->>'currency', r->>'source',
                   r->>'campaign', r->>'reference', (r->>'parent_id')::bigint, (r->>'made_by_id')::bigint,
                   -- A batch without features has SQL's null, not JSON's.
                   nullif(r->'features', 'null'), r->'details'
            FROM jsonb_array_elements(body->'batches') r;
    END IF;
    IF jsonb_array_length(body->'events') > 0 THEN
        INSERT INTO usage_event (id, account_id, event_id, feature, quantity_micro, occurred_at, cost_micro, price_id,
                                 transaction_id, member, complexity, bundle_id)
            SELECT (t->>0)::bigint, (t->>1)::bigint, t->>2, t->>3, (t->>4)::bigint, (t->>5)::timestamptz,
                   (t->>6)::bigint, (t->>7)::bigint, (t->>8)::bigint, t->>9, t->>10, (t->>11)::bigint
            FROM jsonb_array_elements(body->'events') t;
    END IF;
    IF jsonb_array_length(body->'entries') > 0 THEN
        INSERT INTO entry (transaction_id, account_id, batch_id, from_bucket, to_bucket, amount_micro, balance_micro,
                           feature, usage_event_id, hold_id, effective_at)
            SELECT (t->>0)::bigint, (t->>1)::bigint, (t->>2)::bigint, t->>3, t->>4, (t->>5)::bigint, (t->>6)::bigint,
                   t->>7, (t->>8)::bigint, (t->>9)::bigint, (t->>10)::timestamptz
            FROM jsonb_array_elements(body->'entries') t;
    END IF;
    IF jsonb_array_length(body->'batch_moves') > 0 THEN
        UPDATE batch
            SET remaining_micro = remaining_micro + (r->>1)::bigint, held_micro = held_micro + (r->>2)::bigint
            FROM jsonb_array_elements(body->'batch_moves') r WHERE batch.id = (r->>0)::bigint;
    END IF;
    IF jsonb_array_length(body->'account_moves') > 0 THEN
        UPDATE account SET available_micro = available_micro + (r->>1)::bigint,
                           held_micro = held_micro + (r->>2)::bigint,
                           owed_micro = owed_micro + (r->>3)::bigint, version = version + 1
            FROM jsonb_array_elements(body->'account_moves') r WHERE account.id = (r->>0)::bigint;
    END IF;
    IF jsonb_array_length(body->'days') > 0 THEN
        INSERT INTO usage_daily (account_id, day, feature, credit_type, used_micro, events)
            SELECT (t->>0)::bigint, (t->>1)::date, t->>2, t->>3, (t->>4)::bigint, (t->>5)::bigint
            FROM jsonb_array_elements(body->'days') t
            ON CONFLICT (account_id, day, feature, credit_type) DO UPDATE
            SET used_micro = usage_daily.used_micro + excluded.used_micro,
                events = usage_daily.events + excluded.events;
    END IF;
END $$
"""
