"""What tutors and learners of a demo company write to each other, around what they book."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from random import Random

from app.shell.world.deeds import Deed, Reads, Says, SeatRef
from app.shell.world.diary import Diary
from app.shell.world.model import Company, Dialogue, Offer

MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
UNREAD = 30 * HOUR  # what was written since then may still wait to be read


class Talk:
    """Pairs greet each other once, and then have something to say now and again."""

    def __init__(self, company: Company, diary: Diary, now: dt.datetime) -> None:
        self.company, self.diary, self.now = company, diary, now
        self._greetings = [dialogue for dialogue in company.dialogues if dialogue.first]
        self._others = [dialogue for dialogue in company.dialogues if not dialogue.first]
        self._said: Counter[tuple[str, str]] = Counter()
        self._met: set[tuple[str, str]] = set()
        self._latest: dict[tuple[str, str], tuple[dt.datetime, SeatRef, str]] = {}

    def around(self, seat: SeatRef, offer: Offer, *, booked_at: dt.datetime, rng: Random) -> list[Deed]:
        pair = (offer.tutor, seat.learner)
        if pair not in self._met:
            self._met.add(pair)
            if not self._greetings or rng.random() < 0.35:
                return []
            return self._spoken(pair, seat, rng.choice(self._greetings), booked_at + HOUR, rng)
        if not self._others or rng.random() < 0.84:
            return []
        after = seat.starts_at + rng.randrange(70, 300) * MINUTE
        return self._spoken(pair, seat, rng.choice(self._others), after, rng)

    def last_words(self, rng: Random) -> list[Deed]:
        """Those who sign in as a role find something that they have not read yet."""
        found: list[Deed] = []
        tutor, faces = self.company.tutors[0].name, self.company.faces.values()
        pairs = sorted(pair for pair in self._met if pair[0] == tutor)
        for number, pair in enumerate(pairs[:3]):
            _at, seat, _last = self._latest.get(pair, (None, None, ""))
            if seat is None:
                continue
            to_tutor = seat.payer not in faces
            lines = rng.choice(self._others).lines if self._others else ()
            wanted = "student" if to_tutor else "tutor"
            text = next((words for who, words in lines if who == wanted), None)
            if text is not None:
                at = self.now - (3 + 4 * number) * HOUR
                found.append(self._says(pair, seat, wanted, text, at))
        return found

    def _spoken(
        self, pair: tuple[str, str], seat: SeatRef, dialogue: Dialogue, at: dt.datetime, rng: Random
    ) -> list[Deed]:
        found: list[Deed] = []
        for number, (author, text) in enumerate(dialogue.lines):
            found.append(self._says(pair, seat, author, text, at))
            reads = at + rng.randrange(2, 90) * MINUTE
            # Whoever answers has read what stands above.
            if number == len(dialogue.lines) - 1 and reads < self.now - UNREAD:
                reader = pair[0] if author == "student" else seat.payer
                found.append(Reads(reads, pair[0], pair[1], reader))
            at = reads + rng.randrange(1, 25) * MINUTE
        return found

    def _says(self, pair: tuple[str, str], seat: SeatRef, author: str, text: str, at: dt.datetime) -> Says:
        tutor, learner = pair
        self._said[pair] += 1
        self._latest[pair] = (at, seat, author)
        words = text.format(student=learner.split()[0], tutor=tutor.removeprefix("Dr. ").split()[0])
        name = tutor if author == "tutor" else seat.payer
        return Says(at, tutor, learner, name, words, self._said[pair])
