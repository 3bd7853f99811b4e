"""Python's search for cycles of garbage, in a process that answers for weeks."""

from __future__ import annotations

import gc

# Objects more than there were before it searches the youngest. A request makes thousands and leaves no cycles
# to speak of: at Python's 700 it searched several times in each, up to a tenth of what one cost.
SELDOM = (50_000, 10, 10)


def settle() -> None:
    """The application is made and lives as long as its process: never search it again.

    Else each full search would walk through all of it, a quarter of a second in which nobody is served, and
    a child would copy all that it shares with its parent.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SELDOM)
