"""The benchmark itself: small, but on its own servers and with all three contestants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import dashboard, list_page
from bench.dashboard_data import Size
from tests.support.databases import ROOT


def test_one_run_measures_all_three_and_writes_them_down(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(list_page, "ROUNDS", 1)
    monkeypatch.setattr(list_page, "PEOPLE", 50)
    monkeypatch.setattr(list_page, "RESULTS", tmp_path / "bench.json")
    list_page.main()
    found = json.loads((tmp_path / "bench.json").read_text())["list_page"]
    assert list(found) == ["floor", "house", "stock"]
    assert found["floor"]["statements"] == 1
    assert found["house"]["statements"] <= 5
    assert found["stock"]["statements"] > found["house"]["statements"]
    for figures in found.values():
        assert 0 < figures["cpu_ms"]
        assert 0 < figures["p50_ms"] <= figures["p95_ms"]
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.endswith("x floor stock / it")
    assert [line.split()[0] for line in lines] == ["floor", "house", "stock"]


def test_the_dashboards_are_measured_on_data_that_fits_together(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Small, and without a browser: what is measured is there, and costs what it should."""
    monkeypatch.setattr(dashboard, "ROUNDS", 1)
    monkeypatch.setattr(dashboard, "SIZE", Size(tenants=4, lessons=400, days=60))
    monkeypatch.setattr(dashboard, "RESULTS", tmp_path / "bench.json")
    monkeypatch.setattr(dashboard, "drawn", lambda *_: None)
    dashboard.main()
    found = json.loads((tmp_path / "bench.json").read_text())["dashboard"]
    assert set(found) == {f"{who}, {days} days" for who in ("manager", "operator") for days in (30, 365)}
    for figures in found.values():
        assert 0 < figures["statements"] <= 10
        assert 0 < figures["page_ms"]
    assert capsys.readouterr().out.startswith("4 companies, 400 lessons")


def test_half_and_95_of_100_stay_below() -> None:
    times = [float(number) for number in range(1, 101)]
    found = list_page.summary({"x": {"statements": 1, "cpu": [3.0, 1.0, 2.0], "ms": times}})["x"]
    assert found["cpu_ms"] == 2.0
    assert found["p50_ms"] == 50.5
    assert 95 <= found["p95_ms"] <= 96


def test_the_results_are_not_committed() -> None:
    assert list_page.RESULTS.name in (ROOT / ".gitignore").read_text().split()
