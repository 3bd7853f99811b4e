"""What earnings announces."""

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True)
class EarningCleared(Event):
    earning_id: int
