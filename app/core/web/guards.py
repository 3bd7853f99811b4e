"""What the pages and the API of an entry ask before they do anything."""

from __future__ import annotations

from typing import Any

from flask import request

from app.core.errors import NotFound
from app.core.viewer import Viewer
from app.core.web.admin_data import AdminData
from app.core.web.entry import AdminEntry
from app.core.web.site import site
from app.core.web.viewing import require, to_sign_in, viewer


class Guarded:
    """The doors of one entry. What is not offered, or not in scope, does not exist: NotFound."""

    entry: AdminEntry
    datamodel: AdminData

    def _require(self, verb: str) -> Viewer:
        """The viewer, who may do this here. Raises NotFound, SignInNeeded, NotAllowed."""
        if site().surface not in self.entry.surfaces:
            raise NotFound
        return require(self.entry.right(verb))

    def _offered(self, offered: bool) -> None:
        if not offered:
            raise NotFound

    def _row(self, pk: int) -> Any:
        """The record, to look at."""
        return _found(self.datamodel.find(pk))

    def _locked(self, pk: int) -> Any:
        """The record, to edit or delete it in this transaction.

        Actions don't come through here: their services lock what they need, in their own order.
        """
        return _found(self.datamodel.find_for_update(pk))


class PageGuarded(Guarded):
    """The same for pages: a visitor is sent to sign in, and comes back."""

    def _enter(self, verb: str) -> Any:
        """The viewer, who may do this here; a redirect to the sign-in page for a visitor's GET."""
        if viewer() is None and request.method == "GET" and site().surface in self.entry.surfaces:
            return to_sign_in()
        return self._require(verb)


def _found(row: Any) -> Any:
    if row is None:
        raise NotFound
    return row
