"""What a dashboard's template gets: plain values, worked out beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core.web.pages import ActionLink, RelatedList, Text


@dataclass(frozen=True, slots=True)
class Change:
    """How a figure compares with the period before: a sign and a number to look at, a sentence to hear."""

    sign: str
    text: str
    words: str
    tone: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with what it counts; `url` leads to the rows behind it."""

    label: Text
    value: str
    url: str | None = None
    hint: Text | None = None
    icon: str = "activity"
    tone: str = "secondary"
    change: Change | None = None

    @property
    def is_wide(self) -> bool:
        return len(self.value) > 8


@dataclass(frozen=True, slots=True)
class Series:
    """One row of columns: raw numbers for the drawing, the same in words for people."""

    name: str
    tone: str
    values: Sequence[int]
    shown: Sequence[str]


@dataclass(frozen=True, slots=True)
class ChartRow:
    """A line of a chart's table, with a link to what is behind it."""

    label: str
    url: str | None
    cells: Sequence[str]


@dataclass(frozen=True)
class Chart:
    """A drawing and the same as a table. `columns` stand side by side (time), `bars` lie one below the other.
    `data` is what js/charts.js draws."""

    key: str
    kind: str
    title: Text
    summary: str
    headings: Sequence[Text]
    rows: Sequence[ChartRow]
    data: Mapping[str, Any]
    legend: Sequence[tuple[str, str]] = ()
    note: Text | None = None

    @property
    def is_empty(self) -> bool:
        return not any(any(series["values"]) for series in self.data["series"])


@dataclass(frozen=True, slots=True)
class ToFix:
    """Something that waits for somebody, and where it is done."""

    label: Text
    count: str
    url: str | None
    icon: str
    hint: Text | None = None
    tone: str = "warning"


@dataclass(frozen=True, slots=True)
class Notice:
    """A line about one thing that is not as it should be."""

    label: str
    url: str | None
    text: str
    when: str = ""


@dataclass(frozen=True)
class NoticeList:
    key: str
    title: Text
    icon: str
    lines: Sequence[Notice]
    all_is_well: Text
    more_url: str | None = None
    more: str = ""


@dataclass(frozen=True)
class Dashboard:
    """`periods` are (label, address, whether it is this one)."""

    title: Text
    headline: str
    periods: Sequence[tuple[Text, str, bool]]
    figures: Sequence[Figure]
    charts: Sequence[Chart]
    now_title: Text
    now: Sequence[Figure]
    compared: Text
    to_fix: Sequence[ToFix] | None = None
    checklist: Sequence[tuple[Text, bool, str, Text]] = ()
    tables: Sequence[RelatedList] = ()
    in_need: NoticeList | None = None
    troubles: NoticeList | None = None
    shortcuts: Sequence[ActionLink] = field(default=())
