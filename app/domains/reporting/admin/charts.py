"""Charts made of figures: raw numbers for the drawing, words for everybody, links to the rows behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.core.web.pages import Text
from app.domains.reporting.admin import words
from app.domains.reporting.admin.parts import Chart, ChartRow, Series
from app.domains.reporting.policies import Bucket, Period, scale

COLUMNS, BARS = "columns", "bars"


def columns(
    key: str,
    title: Text,
    summary: str,
    series: Sequence[Series],
    *,
    period: Period,
    first_heading: Text,
    url_of: Callable[[Bucket], str | None],
    mark: Callable[[int], str] = words.number,
) -> Chart:
    """A stack of columns for each day, week or month of the period. `mark` writes a number of the scale."""
    buckets = period.buckets()
    titles = [words.bucket_title(bucket, period) for bucket in buckets]
    urls = [url_of(bucket) for bucket in buckets]
    return Chart(
        key,
        COLUMNS,
        title,
        summary,
        [first_heading, *(row.name for row in series)],
        _rows(titles, urls, series),
        {
            "kind": COLUMNS,
            "labels": [words.bucket_label(bucket, period) for bucket in buckets],
            "titles": titles,
            "urls": urls,
            "series": [_data(row) for row in series],
            "marks": _marks(series, mark),
        },
        legend=[(row.name, row.tone) for row in series] if len(series) > 1 else (),
    )


def bars(
    key: str,
    title: Text,
    summary: str,
    series: Series,
    *,
    labels: Sequence[str],
    urls: Sequence[str | None],
    headings: Sequence[Text],
    details: Sequence[Sequence[str]],
    most: int | None = None,
    note: Text | None = None,
) -> Chart:
    """A bar for each thing, the first on top; one of `most` has the whole length. `details` are the further
    cells of the table's rows."""
    rows = [
        ChartRow(label, url, [shown, *more])
        for label, url, shown, more in zip(labels, urls, series.shown, details, strict=True)
    ]
    data = {
        "kind": BARS,
        "labels": list(labels),
        "titles": list(labels),
        "urls": list(urls),
        "series": [_data(series)],
        "marks": [],
        "most": most,
    }
    return Chart(key, BARS, title, summary, headings, rows, data, note=note)


def _data(series: Series) -> dict[str, object]:
    return {
        "name": series.name,
        "tone": series.tone,
        "values": list(series.values),
        "shown": list(series.shown),
    }


def _rows(titles: Sequence[str], urls: Sequence[str | None], series: Sequence[Series]) -> list[ChartRow]:
    return [
        ChartRow(title, urls[place], [row.shown[place] for row in series])
        for place, title in enumerate(titles)
    ]


def _marks(series: Sequence[Series], mark: Callable[[int], str]) -> list[dict[str, object]]:
    """The scale of stacked columns: what is positive adds up, and so does what is negative."""
    stacks = list(zip(*(row.values for row in series), strict=True))
    most = max((sum(value for value in stack if value > 0) for stack in stacks), default=0)
    least = min((sum(value for value in stack if value < 0) for stack in stacks), default=0)
    return [{"value": value, "label": mark(value)} for value in scale(least, most)]
