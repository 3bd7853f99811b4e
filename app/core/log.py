"""Structured logs without secrets: one pipeline for structlog and for the standard library's logging.

`configure` is called once per process. Context that every line of a request or job carries is bound
by `bind(request_id=..., tenant_id=..., user_id=..., job=...)` and dropped by `clear()`. Whatever is
logged passes `app.core.redaction` last, exceptions rendered (without local variables) included.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Literal, TextIO

import structlog
from structlog.contextvars import bind_contextvars as bind
from structlog.contextvars import bound_contextvars as bound
from structlog.contextvars import clear_contextvars as clear
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from app.core.redaction import redact, safe_arguments

__all__ = ["Handler", "bind", "bound", "clear", "configure"]


_RENDERED = {"message", "asctime"}
_as_json = json.JSONEncoder(ensure_ascii=False, default=str).encode  # made once, not for each line


class RedactingFormatter(ProcessorFormatter):
    """Also looks at the %-arguments, while it is still known which place of the text they fill."""

    def format(self, record: logging.LogRecord) -> str:
        # A handler that came first leaves its own rendering in the record, secrets included.
        if record.args or not _RENDERED.isdisjoint(record.__dict__):
            record = logging.makeLogRecord(
                {key: item for key, item in record.__dict__.items() if key not in _RENDERED}
            )
            if record.args and isinstance(record.msg, str):
                record.args = safe_arguments(record.msg, record.args)
        return super().format(record)


class Handler(logging.StreamHandler[TextIO]):
    """The stock handler prints a line it can't format with its raw arguments; this one says where it is."""

    def handleError(self, record: logging.LogRecord) -> None:
        fault = sys.exc_info()[0]
        self.stream.write(
            f"log line lost ({fault and fault.__name__}) at {record.pathname}:{record.lineno}\n"
        )


def configure(format: Literal["console", "json"], level: str, stream: TextIO | None = None) -> None:
    """Send every log line through the pipeline to `stream` (stderr); a second call replaces the first."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            _redact_positional,
            structlog.stdlib.PositionalArgumentsFormatter(),
            ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = Handler(stream)
    handler.setFormatter(
        RedactingFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,  # plain text: no local variables
                _redact_event,
                structlog.processors.TimeStamper(fmt="iso", utc=True),  # nothing of it needs to be looked at
                _renderer(format),
            ],
        )
    )
    root = logging.getLogger()
    for old in [h for h in root.handlers if isinstance(h.formatter, RedactingFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(True)


def _renderer(format: str) -> Processor:
    if format == "json":
        return structlog.processors.JSONRenderer(lambda event, **_: _as_json(event))
    return structlog.dev.ConsoleRenderer(colors=False)


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    redacted: EventDict = redact(event)
    return redacted


def _redact_positional(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if "positional_args" in event:
        event["positional_args"] = safe_arguments(str(event["event"]), event["positional_args"])
    return event
