"""No room for files (F18): a plain answer, nothing half written, and it works again once there is room."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text
from urllib3.filepost import encode_multipart_formdata

from app.core.db import db
from app.core.outside import Breaker
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.catalog.models import TutorProfile
from app.providers.storage import LocalStorage, StorageFull
from config import Settings
from tests.domains.accounts.support import second_app
from tests.domains.catalog.support import form_of, png, stock
from tests.shell.degradation.support import files_in, full_disk
from tests.support.world import Browser, World

WORDS = {"headline": "Physicist", "bio": "A line", "languages": "English"}
NO_ROOM = "There is no room for this file right now."


def upload() -> tuple[io.BytesIO, str]:
    return io.BytesIO(png()), "me.png"


def keep_in(app: Flask, folder: Path, patch: pytest.MonkeyPatch) -> LocalStorage:
    storage = LocalStorage(folder, guard=Breaker("storage of this test"))
    patch.setitem(app.extensions, "storage", storage)
    return storage


@pytest.fixture
def tutor(world: World) -> Browser:
    return world.browser(world.anna.host, world.anna.email("tutor"))


def profiles(app: Flask) -> list[tuple[str, str | None]]:
    with app.app_context(), platform_scope("what a test has to see"):
        rows = db.session.query(TutorProfile).order_by(TutorProfile.id)
        return [(row.headline, row.image_key) for row in rows]


def test_a_picture_that_finds_no_room(
    app: Flask, world: World, tutor: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = profiles(app)
    with full_disk(tmp_path / "disk") as disk:
        keep_in(app, disk, monkeypatch)
        for _ in range(7):  # more often than a breaker takes
            answer = tutor.post("/teach/profile/", **WORDS, image=upload())
            assert answer.status_code == 507
            assert NO_ROOM in answer.text
            assert 'value="Physicist"' in answer.text, "what was written is still there"
        assert files_in(disk) == []
        assert profiles(app) == before
        # What needs no room goes on, and so does all else.
        assert tutor.post("/teach/profile/", **WORDS).status_code == 302
        assert profiles(app) == [("Physicist", None)]
    keep_in(app, tmp_path / "roomy", monkeypatch)
    assert tutor.post("/teach/profile/", **WORDS, image=upload()).status_code == 302
    ((_headline, key),) = profiles(app)
    assert key is not None
    assert len(files_in(tmp_path / "roomy")) == 2


def test_a_picture_that_fits_while_its_thumbnail_does_not(
    app: Flask, tutor: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last bytes of the disk are not left taken by half a picture."""
    storage = keep_in(app, tmp_path / "files", monkeypatch)
    puts, put = [], storage.put

    def put_once(key: str, data: bytes, content_type: str) -> None:
        puts.append(key)
        if len(puts) % 2 == 0:
            raise StorageFull("storage", "No space left on device")
        put(key, data, content_type)

    monkeypatch.setattr(storage, "put", put_once)
    answer = tutor.post("/teach/profile/", **WORDS, image=upload())
    assert (answer.status_code, len(puts)) == (507, 2)
    assert files_in(tmp_path / "files") == []
    assert profiles(app) == []


def test_a_new_offering_that_finds_no_room_for_its_picture(
    app: Flask, world: World, tutor: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, form = tutor.csrf("/teach/offerings/new"), form_of(stock(world, world.anna))
    with full_disk(tmp_path / "disk") as disk:
        keep_in(app, disk, monkeypatch)
        answer = tutor.post_raw("/teach/offerings/new", {**form, "csrf_token": token, "image": upload()})
        assert answer.status_code == 507
        assert NO_ROOM in answer.text
        assert files_in(disk) == []
    with app.app_context(), platform_scope("what a test has to see"):
        assert db.session.scalar(text("SELECT count(*) FROM offering")) == 0
        assert db.session.scalar(text("SELECT count(*) FROM offering_revision")) == 0


# Werkzeug leaves the file open that it could not write to; it is collected some time after its request.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")
def test_no_room_where_uploads_wait_while_they_are_read(
    app: Flask, tutor: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine's own folder for passing files: not the store's disk, and full as well."""
    large = "large.png", b"x" * 1_200_000, "image/png"  # what is smaller waits in memory
    fields = {**WORDS, "csrf_token": tutor.csrf("/teach/profile/"), "image": large}
    body, content_type = encode_multipart_formdata(fields)
    with full_disk(tmp_path / "disk") as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        answer = tutor.post_raw("/teach/profile/", body, content_type=content_type)
        assert answer.status_code == 507
        assert answer.headers["Retry-After"] == "60"
        assert NO_ROOM in answer.text
        assert tutor.get("/teach/profile/").status_code == 200
    assert profiles(app) == []


def test_no_room_for_the_database_itself(world: World, settings: Settings) -> None:
    """PostgreSQL refuses by 53100 and rolls back; the next request may find room."""
    refuses = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
    with second_app(settings) as app:

        def write() -> str:
            with transaction() as session:
                session.execute(text(refuses))
            return "never"

        app.add_url_rule("/write", "write", write)
        answer = Browser(app, world.anna.host).get("/write")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert "extend" not in answer.text
