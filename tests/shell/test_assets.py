"""How the built files of the front end reach a browser."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.shell.assets import Assets

COMPRESSED = ("app.css", "app.rtl.css", "app.js", "chat.js", "icons.svg")


@pytest.fixture
def assets(app: Flask) -> Assets:
    return Assets(Path(str(app.static_folder)) / "dist")


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_file_comes_as_small_as_the_browser_takes_it(
    client: FlaskClient, assets: Assets, name: str
) -> None:
    url = assets(name)
    plain = client.get(url, buffered=True)
    assert plain.status_code == 200
    assert plain.content_encoding is None
    sizes = [len(plain.data)]
    for encoding in ("gzip", "br"):
        answer = client.get(url, buffered=True, headers={"Accept-Encoding": f"{encoding}, deflate"})
        assert answer.content_encoding == encoding
        assert answer.mimetype == plain.mimetype
        assert answer.headers["Cache-Control"] == plain.headers["Cache-Control"]
        assert "Accept-Encoding" in answer.vary
        sizes.append(len(answer.data))
        if encoding == "gzip":
            assert gzip.decompress(answer.data) == plain.data
    assert sizes == sorted(sizes, reverse=True)
    best = client.get(url, buffered=True, headers={"Accept-Encoding": "gzip, deflate, br"})
    assert best.content_encoding == "br"
    assert (
        client.get(url, buffered=True, headers={"Accept-Encoding": "gzip, br;q=0"}).content_encoding == "gzip"
    )


@pytest.mark.parametrize(
    "path", ["dist/../../../config.py", "dist/nothing.css", "dist/%00.css", "..%2f..%2frun.py", "dist/"]
)
def test_no_other_file_is_served(client: FlaskClient, path: str) -> None:
    answer = client.get(f"/static/{path}", buffered=True, headers={"Accept-Encoding": "br"})
    assert answer.status_code in (400, 404)
