"""JSON by orjson, in answers and in pages. What it refuses (half of a surrogate pair, a number beyond 64
bits) is written by Flask's own way; what is no number (NaN) becomes null, where Flask would write no JSON."""

from __future__ import annotations

from typing import Any

import orjson
from flask.json.provider import DefaultJSONProvider
from werkzeug.sansio.response import Response

# As Flask writes: members in order, and times and dataclasses by its own rules.
_AS_FLASK = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_USUAL: tuple[dict[str, Any], ...] = ({}, {"sort_keys": True})  # what Flask asks for, and Jinja's `tojson`


class QuickJSON(DefaultJSONProvider):
    def dumps(self, obj: Any, **kwargs: Any) -> str:
        if kwargs in _USUAL:
            try:
                return orjson.dumps(obj, default=self.default, option=_AS_FLASK).decode()
            except TypeError:
                pass
        return super().dumps(obj, **kwargs)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        made: Any = self._app.response_class
        answer: Response = made(
            f"{self.dumps(self._prepare_response_obj(args, kwargs))}\n", mimetype=self.mimetype
        )
        return answer
