"""JSON answers by orjson. What it refuses (half of a surrogate pair, a number beyond 64 bits) is written by
Flask's own way."""

from __future__ import annotations

from typing import Any

import orjson
from flask.json.provider import DefaultJSONProvider
from werkzeug.sansio.response import Response

# As Flask writes: members in order, and times and dataclasses by its own rules.
_AS_FLASK = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_APPEND_NEWLINE
)


class QuickJSON(DefaultJSONProvider):
    def response(self, *args: Any, **kwargs: Any) -> Response:
        body = self._prepare_response_obj(args, kwargs)
        try:
            data = orjson.dumps(body, default=self.default, option=_AS_FLASK)
        except TypeError:
            return super().response(*args, **kwargs)
        made: Any = self._app.response_class
        answer: Response = made(data, mimetype=self.mimetype)
        return answer
