"""What the ledger refuses. Unbalanced books are a fault of ours and stay loud."""


class Unbalanced(ValueError):
    """A fault of ours: an entry does not sum to zero."""


class ReversedAlready(ValueError):
    """A fault of ours: an entry is reversed a second time, under another key."""
