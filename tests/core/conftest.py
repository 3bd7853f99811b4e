"""Fixtures that several files of the core's tests share."""

from tests.support.outbox import effect_table, post

__all__ = ["effect_table", "post"]
