"""Ledger owns the double-entry journal, the only truth about money: accounts, entries, postings.
It knows no orders, payments or lessons; an entry names its source by kind and number only."""
