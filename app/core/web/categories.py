"""The groups of the side menu that several domains share."""

from flask_babel import lazy_gettext as _l

from app.core.web.entry import Category

TEACHING = Category("teaching", _l("Lessons"), "calendar", 20)
CATALOG = Category("catalog", _l("Catalogue"), "book", 30)
MONEY = Category("money", _l("Money"), "coin", 40)
TALK = Category("talk", _l("Messages"), "message", 50)
