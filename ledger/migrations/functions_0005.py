"""The database functions of the hot path as migration 0005 leaves them: many charges in one call, or in two.

`load_for_charges` locks accounts and answers what has to be known of them; `post_to_ledger` writes everything that
transactions say. Whoever still knows the accounts from before posts at once, and names what it went by: the version of
each account and of the catalogue. Neither function decides anything; that is ledger/core (docs/decisions/0002, 0010).
Each statement of a function has a snapshot of its own under READ COMMITTED, so what follows the lock sees all earlier
writers.
"""

# Keys and events are looked up one by one in the order of the requests, so that each lookup is an index probe.
LOAD_FOR_CHARGES = """
CREATE FUNCTION load_for_charges(p_body text) RETURNS json LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    body CONSTANT jsonb := p_body;
    requests CONSTANT jsonb := body->'requests';
    locked json;
    ids bigint[];
    catalog bigint;
    prices json;
    bundles json;
    holds json;
BEGIN
    SELECT json_agg(json_build_array(id, external_id, zone, available_micro, held_micro, owed_micro,
                overdraft_limit_micro, (extract(epoch FROM overdraft_until) * 1000000)::bigint, kind, version,
                CASE WHEN held_micro > 0 THEN (
                    SELECT (extract(epoch FROM min(h.expires_at)) * 1000000)::bigint FROM hold h
                    WHERE h.account_id = a.id AND h.state = 'open') END)),
            array_agg(id)
        INTO locked, ids
        FROM (SELECT * FROM account
              WHERE external_id = ANY (ARRAY(SELECT jsonb_array_elements_text(body->'accounts')))
              ORDER BY id FOR UPDATE) a;
    SELECT catalog_version INTO catalog FROM company;
    -- Whoever remembers the prices of this version of the catalogue need not be told again.
    IF catalog IS DISTINCT FROM (body->>'catalog_version')::bigint THEN
        SELECT json_agg(json_build_array(feature, (extract(epoch FROM effective_at) * 1000000)::bigint, id,
                price_micro, factors, (extract(epoch FROM ends_at) * 1000000)::bigint) ORDER BY feature, effective_at)
            INTO prices
            FROM feature_price WHERE feature = ANY (ARRAY(SELECT jsonb_array_elements_text(body->'features')));
        SELECT json_agg(json_build_array(f.feature, b.id, b.discount_ppm,
                (extract(epoch FROM b.effective_at) * 1000000)::bigint,
                (extract(epoch FROM b.ends_at) * 1000000)::bigint) ORDER BY b.discount_ppm DESC, b.id)
            INTO bundles
            FROM bundle_feature f JOIN bundle b ON b.id = f.bundle_id
            WHERE f.feature = ANY (ARRAY(SELECT jsonb_array_elements_text(body->'features')));
    END IF;
    IF (body->>'names_holds')::boolean THEN
        SELECT json_agg((
                SELECT json_build_array(h.id, h.reference, h.feature,
                    (extract(epoch FROM h.placed_at) * 1000000)::bigint,
                    (extract(epoch FROM h.expires_at) * 1000000)::bigint, h.state, h.member, h.made_by_id,
                    h.resolved_by_id, (
                        SELECT json_agg(json_build_array(p.batch_id, b.credit_type, p.amount_micro) ORDER BY p.position)
                        FROM hold_part p JOIN batch b ON b.id = p.batch_id WHERE p.hold_id = h.id))
                FROM hold h
                WHERE h.account_id = (SELECT a.id FROM account a WHERE a.external_id = r.value->>2)
                    AND h.reference = r.value->>4) ORDER BY r.ordinality)
            INTO holds
            FROM jsonb_array_elements(requests) WITH ORDINALITY r;
    END IF;
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
                    (extract(epoch FROM e.occurred_at) * 1000000)::bigint, e.member, e.complexity, e.cost_micro)
                FROM usage_event e
                WHERE e.account_id = (SELECT a.id FROM account a WHERE a.external_id = r.value->>2)
                    AND e.event_id = r.value->>3) ORDER BY r.ordinality)
            FROM jsonb_array_elements(requests) WITH ORDINALITY r),
        'holds', holds,
        'catalog_version', catalog,
        'prices', prices,
        'bundles', bundles
    );
END $$
"""
# One transaction or several; batches and holds as objects, other rows as arrays in the order of ledger/journal.py's
# columns. Totals come added up: one row of each at most. Whether there are rows is asked first, because a statement
# without rows still reads all checks of its table anew.
# An id below zero stands for a new one: -1 for the first transaction, use or hold that the body brings, and so on. They
# are drawn here, under the locks, so that the ids of an account's rows keep the order in which they were booked.
POST_TO_LEDGER = """
CREATE FUNCTION post_to_ledger(p_body text) RETURNS json LANGUAGE plpgsql
-- Plans are kept, and how many rows will come is not known: only probes of the primary keys stay right at any size.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    body CONSTANT jsonb := p_body;
    moved bigint;
    t_ids bigint[];
    e_ids bigint[];
    h_ids bigint[];
BEGIN
    IF jsonb_array_length(body->'account_moves') > 0 THEN
        UPDATE account SET available_micro = available_micro + (r->>1)::bigint,
                           held_micro = held_micro + (r->>2)::bigint,
                           owed_micro = owed_micro + (r->>3)::bigint, version = version + 1
            FROM jsonb_array_elements(body->'account_moves') r
            WHERE account.id = (r->>0)::bigint AND account.version = coalesce((r->>4)::bigint, account.version);
        GET DIAGNOSTICS moved = ROW_COUNT;
        IF moved <> jsonb_array_length(body->'account_moves') THEN
            RAISE EXCEPTION 'an account is not as it was remembered' USING ERRCODE = 'CB001';
        END IF;
    END IF;
    IF (body->>'catalog_version')::bigint <> (SELECT catalog_version FROM company) THEN
        RAISE EXCEPTION 'the catalogue is not as it was remembered' USING ERRCODE = 'CB001';
    END IF;
    IF (body->>'new_transactions')::int > 0 THEN
        SELECT array_agg(nextval('transaction_id_seq')) INTO t_ids
            FROM generate_series(1, (body->>'new_transactions')::int);
    END IF;
    IF (body->>'new_events')::int > 0 THEN
        SELECT array_agg(nextval('usage_event_id_seq')) INTO e_ids
            FROM generate_series(1, (body->>'new_events')::int);
    END IF;
    IF (body->>'new_holds')::int > 0 THEN
        SELECT array_agg(nextval('hold_id_seq')) INTO h_ids FROM generate_series(1, (body->>'new_holds')::int);
    END IF;
    INSERT INTO transaction (id, kind, account_id, actor, role, key, digest, reason_code, note, ticket, effective_at,
                             recorded_at, reverses_id, approval_id, receipt)
        SELECT coalesce(t_ids[-(t->>0)::bigint], (t->>0)::bigint), t->>1, (t->>2)::bigint, t->>3, t->>4, t->>5, t->>6,
               t->>7, t->>8, t->>9, (t->>10)::timestamptz, (t->>11)::timestamptz, (t->>12)::bigint, (t->>13)::bigint,
               -- The receipt names the hold that it placed.
               coalesce(jsonb_set(t->14, '{hold_id}', to_jsonb(h_ids[-(t->14->>'hold_id')::bigint])), t->14)
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
            SELECT coalesce(e_ids[-(t->>0)::bigint], (t->>0)::bigint), (t->>1)::bigint, t->>2, t->>3, (t->>4)::bigint,
                   (t->>5)::timestamptz, (t->>6)::bigint, (t->>7)::bigint,
                   coalesce(t_ids[-(t->>8)::bigint], (t->>8)::bigint), t->>9, t->>10, (t->>11)::bigint
            FROM jsonb_array_elements(body->'events') t;
    END IF;
    IF jsonb_array_length(body->'holds') > 0 THEN
        INSERT INTO hold (id, account_id, reference, feature, member, amount_micro, captured_micro, state, placed_at,
                          expires_at, made_by_id)
            SELECT coalesce(h_ids[-(t->>0)::bigint], (t->>0)::bigint), (t->>1)::bigint, t->>2, t->>3, t->>4,
                   (t->>5)::bigint, 0, 'open', (t->>6)::timestamptz, (t->>7)::timestamptz,
                   coalesce(t_ids[-(t->>8)::bigint], (t->>8)::bigint)
            FROM jsonb_array_elements(body->'holds') t;
        INSERT INTO hold_part (hold_id, position, batch_id, amount_micro)
            SELECT coalesce(h_ids[-(t->>0)::bigint], (t->>0)::bigint), (t->>1)::int, (t->>2)::bigint, (t->>3)::bigint
            FROM jsonb_array_elements(body->'hold_parts') t;
    END IF;
    IF jsonb_array_length(body->'hold_ends') > 0 THEN
        UPDATE hold SET state = r->>1, captured_micro = (r->>2)::bigint, resolved_at = (r->>3)::timestamptz,
                        resolved_by_id = coalesce(t_ids[-(r->>4)::bigint], (r->>4)::bigint)
            FROM jsonb_array_elements(body->'hold_ends') r WHERE hold.id = (r->>0)::bigint AND hold.state = 'open';
        GET DIAGNOSTICS moved = ROW_COUNT;
        IF moved <> jsonb_array_length(body->'hold_ends') THEN
            RAISE EXCEPTION 'a hold has ended before' USING ERRCODE = 'CB001';
        END IF;
    END IF;
    IF jsonb_array_length(body->'entries') > 0 THEN
        INSERT INTO entry (transaction_id, account_id, batch_id, from_bucket, to_bucket, amount_micro, balance_micro,
                           feature, usage_event_id, hold_id, effective_at)
            SELECT coalesce(t_ids[-(t->>0)::bigint], (t->>0)::bigint), (t->>1)::bigint, (t->>2)::bigint, t->>3, t->>4,
                   (t->>5)::bigint, (t->>6)::bigint, t->>7, coalesce(e_ids[-(t->>8)::bigint], (t->>8)::bigint),
                   coalesce(h_ids[-(t->>9)::bigint], (t->>9)::bigint), (t->>10)::timestamptz
            FROM jsonb_array_elements(body->'entries') t;
    END IF;
    IF jsonb_array_length(body->'batch_moves') > 0 THEN
        UPDATE batch
            SET remaining_micro = remaining_micro + (r->>1)::bigint, held_micro = held_micro + (r->>2)::bigint
            FROM jsonb_array_elements(body->'batch_moves') r WHERE batch.id = (r->>0)::bigint;
    END IF;
    IF jsonb_array_length(body->'days') > 0 THEN
        INSERT INTO usage_daily (account_id, day, feature, credit_type, used_micro, events)
            SELECT (t->>0)::bigint, (t->>1)::date, t->>2, t->>3, (t->>4)::bigint, (t->>5)::bigint
            FROM jsonb_array_elements(body->'days') t
            ON CONFLICT (account_id, day, feature, credit_type) DO UPDATE
            SET used_micro = usage_daily.used_micro + excluded.used_micro,
                events = usage_daily.events + excluded.events;
    END IF;
    RETURN json_build_object('transactions', t_ids, 'holds', h_ids);
END $$
"""
