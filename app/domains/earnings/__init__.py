"""Earnings owns what tutors get: commission plans, accrual of each sold seat, clearing after the hold period.
It knows the ledger below it; of what was sold it knows a number and the amounts, never a lesson or order."""
