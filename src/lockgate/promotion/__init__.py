"""Moving a version: preconditions, ledger, promotion, rollback, archive."""
