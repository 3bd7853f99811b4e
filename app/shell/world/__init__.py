"""The demo's world: three companies with people, offers, and three months of lived history.

A company is values (`lingua`, `mathlab`, `tokyo_arts`); `plan` says what its people do and when, the same for
the same seed; `living` does it through the services, at its time. `app.shell.seed` puts it together.
"""

from app.shell.world.lingua import COMPANY as LINGUA
from app.shell.world.mathlab import COMPANY as MATHLAB
from app.shell.world.tokyo_arts import COMPANY as TOKYO_ARTS

COMPANIES = (LINGUA, MATHLAB, TOKYO_ARTS)
