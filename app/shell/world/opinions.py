"""What learners of a demo company say about the lessons they took, and what becomes of it."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from random import Random

from app.shell.world.deeds import Deed, Hides, Replies, Reviews, SeatRef
from app.shell.world.model import Company, Offer

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
UNFAIR = "Names a third person. Asked to write it again without."


def opinions(
    company: Company,
    attended: Sequence[tuple[dt.datetime, SeatRef]],
    offers: Sequence[Offer],
    *,
    rng: Random,
) -> list[Deed]:
    """Some who came twice, or to something that one does once, say how it was; some tutors answer."""
    tutor_of = {offer.title: offer.tutor for offer in offers}
    by_pair: defaultdict[tuple[str, str], list[tuple[dt.datetime, SeatRef]]] = defaultdict(list)
    for ended, seat in sorted(attended, key=lambda item: (item[0], item[1].learner)):
        by_pair[seat.offer, seat.learner].append((ended, seat))
    words = list(company.praise)
    rng.shuffle(words)
    found: list[Deed] = []
    said = 0
    for (title, _learner), came in by_pair.items():
        if not words or rng.random() > (0.6 if len(came) > 1 else 0.3):
            continue
        ended, seat = came[min(1, len(came) - 1)]
        # Until the night after next everybody who came was marked.
        at = ended + (52 + rng.randrange(40)) * HOUR
        rating, text = words[said % len(words)]
        said += 1
        found.append(Reviews(at, seat, rating, text))
        answer = _answer(company, seat, tutor_of[title], rating, at, rng)
        if answer is not None:
            found.append(answer)
        elif rating <= 2 and not any(isinstance(deed, Hides) for deed in found):
            found.append(Hides(at + 20 * HOUR, seat, UNFAIR))
    return found


def _answer(
    company: Company, seat: SeatRef, tutor: str, rating: int, at: dt.datetime, rng: Random
) -> Replies | None:
    """The second of a company's replies is the one to a complaint."""
    if not company.replies or rng.random() > 0.45:
        return None
    text = company.replies[1] if rating <= 3 else rng.choice((company.replies[0], company.replies[2]))
    return Replies(at + rng.randrange(3, 60) * HOUR, seat, tutor, text)
