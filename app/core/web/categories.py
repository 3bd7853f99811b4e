"""The groups of the side menu: what people do here, in the order in which they do it most."""

from flask_babel import lazy_gettext as _l

from app.core.web.entry import Category

COMPANIES = Category("companies", _l("Companies"), "building", 10)
TEACHING = Category("teaching", _l("Lessons"), "calendar", 20)
PEOPLE = Category("people", _l("People"), "users", 30)
CATALOG = Category("catalog", _l("Teaching and offers"), "book", 40)
MONEY = Category("money", _l("Money"), "coin", 50)
TALK = Category("talk", _l("Messages"), "message", 60)
SETUP = Category("setup", _l("Set-up"), "settings", 70)
HEALTH = Category("health", _l("Health"), "activity", 75)
SECURITY = Category("security", _l("Security"), "shield", 80)
# Where whatever says `rare` is listed, folded away: the tables behind the others.
RECORDS = Category("records", _l("More records"), "database", 99)
