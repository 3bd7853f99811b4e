"""All that people do, and how often they do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.shell.simulation.banks import Banking
from app.shell.simulation.buying import Buying
from app.shell.simulation.changing import Changing
from app.shell.simulation.hands import Deed
from app.shell.simulation.market import Firm


@dataclass
class Deeds(Buying, Changing, Banking):
    """Everybody's hands."""

    def any(self) -> Deed:
        """Something that somebody does."""
        kinds: tuple[tuple[Callable[[Firm], Deed], int], ...] = (
            (self.buy, 44), (self.buys_place, 12), (self.gives_date, 5), (self.cancels, 10), (self.moves, 7),
            (self.calls_off, 4), (self.marks, 10), (self.disputes, 3), (self.decides, 3), (self.bounces, 2),
            (self.tries_again, 2), (self.writes, 4), (self.agrees, 2), (self.takes_day_off, 1),
            (self.tries_what_is_taken, 4), (self.opens_receipt, 2),
        )  # fmt: skip
        chosen = self.rng.choices([kind for kind, _weight in kinds], [weight for _kind, weight in kinds])[0]
        return chosen(self.rng.choice(self.firms))
