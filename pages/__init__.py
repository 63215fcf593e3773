"""The pages: drawing only. Each starts with a guard; what it shows comes from analytics, what it writes goes through
the ledger."""
