"""Portraits and covers: drawn by ourselves, the same for the same people, and fit for the house's checks."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from app.core.images import clean_image
from app.shell.world import COMPANIES
from app.shell.world.covers import MOTIFS, cover
from app.shell.world.model import Company
from app.shell.world.portraits import portrait


def colors(image: Image.Image) -> int:
    return len(image.resize((64, 64)).getcolors(64 * 64) or ())


@pytest.mark.parametrize("company", COMPANIES, ids=lambda company: company.slug)
def test_every_tutor_has_a_face_of_their_own(company: Company) -> None:
    faces = {portrait(t.look, name=t.name, brand=company.color).tobytes() for t in company.tutors}
    assert len(faces) == len(company.tutors)


@pytest.mark.parametrize("company", COMPANIES, ids=lambda company: company.slug)
def test_every_subject_has_a_motif(company: Company) -> None:
    assert {offer.subject for offer in company.offers} <= set(MOTIFS)
    first = next(iter(company.offers))
    image = cover(first, brand=company.color)
    assert image.size == (880, 550)
    assert colors(image) > 20
    assert cover(first, brand=company.color).tobytes() == image.tobytes()
    assert cover(first, brand="#12733f").tobytes() != image.tobytes()


def test_they_pass_the_checks_of_the_house() -> None:
    company = COMPANIES[0]
    tutor = company.tutors[0]
    out = io.BytesIO()
    portrait(tutor.look, name=tutor.name, brand=company.color).save(out, "PNG")
    assert len(clean_image(out.getvalue()).data) < 60_000
