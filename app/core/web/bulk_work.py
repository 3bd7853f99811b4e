"""What a run of many records does: the same action of the same entry as on its page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from app.core.bulk import BulkRun, Work
from app.core.errors import Invalid, NotAllowed
from app.core.rights import PLATFORM, TENANT
from app.core.viewer import Viewer
from app.core.web.admin_data import AdminData
from app.core.web.entry import Action, AdminEntry, eager_of, registry
from app.core.web.entry_forms import form_data
from app.core.web.forms import Form


def work_of(run: BulkRun, who: Viewer) -> Work:
    """Raises Invalid where there is no such action any more, NotAllowed where the viewer lost the right."""
    entry = registry().by_slug.get(run.entry)
    action = next((a for a in entry.actions if a.name == run.action), None) if entry else None
    if entry is None or action is None:
        raise Invalid(_("This action does not exist any more."))
    surface = PLATFORM if run.tenant_id is None else TENANT
    here = surface in entry.surfaces and (action.surfaces is None or surface in action.surfaces)
    if not here or not who.may(entry.right(action.verb)):
        raise NotAllowed
    return _work(entry, action, _filled_in(action, run))


def _filled_in(action: Action, run: BulkRun) -> dict[str, Any]:
    """What was typed into the action's form, read as the form reads it. Raises Invalid."""
    typed = MultiDict([(name, text) for name, text in run.values])
    form = (action.form or Form)(formdata=typed, meta={"csrf": False})
    if not form.validate():
        raise Invalid(next((str(text) for texts in form.errors.values() for text in texts), None))
    return form_data(form)


def _work(entry: AdminEntry, action: Action, typed: dict[str, Any]) -> Work:
    data = AdminData(entry.model, eager_of(entry), entry.search)

    def rows(ids: Sequence[int]) -> Sequence[Any]:
        return data.find_all(ids)

    def do(row: Any, by: Viewer) -> None:
        action.check([row])
        action.run(row, typed, by)

    return Work(rows, do)
