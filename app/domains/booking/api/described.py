"""The API of booking as OpenAPI describes it."""

from __future__ import annotations

from app.core.ids import MAX_ID
from app.core.rights import TENANT
from app.core.web.describing import (
    DONE,
    KEY_HEADER,
    MOMENT,
    TEXT,
    WHOLE,
    YES_NO,
    Json,
    body,
    content,
    in_path,
    list_of,
    ok,
    one_of,
    operation,
    or_null,
    query,
    record,
    ref,
    refusal,
)
from app.domains.booking.forms import MOST_REASON
from app.domains.booking.models import LESSON_STATUS, SEAT_STATUS

SURFACES = frozenset({TENANT})

_ID: Json = {**WHOLE, "minimum": 1, "maximum": MAX_ID}
_MINOR: Json = {**WHOLE, "minimum": 0, "description": "Whole minor units."}
_MONEY = record({"minor": _MINOR, "currency": TEXT})
_PERSON = record({"id": WHOLE, "name": TEXT})
_LESSON: Json = {
    "code": TEXT,
    "offering": record({"slug": or_null(TEXT), "title": TEXT}),
    "variant": record({"id": WHOLE, "name": TEXT}),
    "tutor": _PERSON,
    "starts_at": MOMENT,
    "ends_at": MOMENT,
    "timezone": {**TEXT, "description": "The tutor's, by its IANA name."},
    "status": one_of(LESSON_STATUS),
    "place": or_null(TEXT),
}
_POLICY = record(
    {
        "name": TEXT,
        "free_until_minutes": WHOLE,
        "late_refund_bp": WHOLE,
        "move_until_minutes": WHOLE,
        "max_moves": WHOLE,
        "counts_from": {**MOMENT, "description": "What was moved late is cancelled as if it began then."},
    },
    optional=frozenset({"counts_from"}),
)
_SEAT: Json = {
    "code": TEXT,
    "status": one_of(SEAT_STATUS),
    "lesson": ref("booking.lesson"),
    "student": or_null(_PERSON),
    "price": _MONEY,
    "policy": {**_POLICY, "description": "As it stood when the time was chosen."},
    "moves": WHOLE,
    "expires_at": or_null(MOMENT),
    "booked_at": or_null(MOMENT),
    "cancelled_at": or_null(MOMENT),
    "refunded": _MONEY,
}
_WHY = or_null({**TEXT, "description": "Why it can't be done; null where it can."})
_OWN: Json = {
    **_SEAT,
    "cancel": record({"why_not": _WHY, "free_until": MOMENT}),
    "move": record({"why_not": _WHY, "until": MOMENT}),
}
_DATE = record(
    {
        "lesson": TEXT,
        "variant": WHOLE,
        "starts_at": MOMENT,
        "ends_at": MOMENT,
        "left": {**WHOLE, "minimum": 0},
    }
)

SCHEMAS: Json = {
    "booking.lesson": record(_LESSON),
    "booking.seat": record(_SEAT),
    "booking.own": record(_OWN),
    "booking.date": _DATE,
    "booking.slots": record(
        {
            "slots": list_of(record({"starts_at": MOMENT, "ends_at": MOMENT})),
            "dates": list_of(ref("booking.date")),
        }
    ),
    "booking.order": record({"order": TEXT, "status": TEXT, "total": _MONEY, "expires_at": MOMENT}),
    "booking.lessons": record({"result": list_of(ref("booking.seat"))}),
    "booking.refund": record(
        {
            "refund": _MONEY,
            "share_bp": {**WHOLE, "description": "Hundredths of a percent of the price."},
            "why": one_of(("free", "late", "not_booked")),
        }
    ),
    "booking.cancelled": record({**_OWN, "refund": _MONEY}),
    "booking.participant": record({"seat": TEXT, "student": or_null(_PERSON), "status": one_of(SEAT_STATUS)}),
    "booking.teaching": record(
        {
            "result": list_of(
                record(
                    {
                        **_LESSON,
                        "capacity": WHOLE,
                        "taken": WHOLE,
                        "participants": list_of(ref("booking.participant")),
                    }
                )
            )
        }
    ),
}

_TAKEN: Json = {
    "409": refusal(
        "It is taken, or can't be done any more.",
        {
            "alternatives": {**list_of(MOMENT), "description": "The next free times."},
            "dates": {**list_of(ref("booking.date")), "description": "The other dates of the class."},
            "why": TEXT,
        },
    ),
    "422": refusal(
        "A value is wrong, or the time is not offered.", {"why": {**TEXT, "description": "A code."}}
    ),
}
_STRETCH = [
    query("since", MOMENT, "From when on; else from now."),
    query("until", MOMENT, "Until before when: 31 days later at most."),
]
_ITEM = "/api/v1/lessons/{code}"
_CODE = [in_path("code")]
_BOOKING, _LEARNING, _TEACHING = "Booking", "Lessons", "Teaching"

PATHS: Json = {
    "/api/v1/catalog/offerings/{slug}/slots": {
        "parameters": [in_path("slug")],
        "get": operation(
            _BOOKING,
            "What can be booked",
            ok(ref("booking.slots")),
            parameters=[query("variant", _ID, "Else the first one."), *_STRETCH],
            for_all=True,
        ),
    },
    "/api/v1/holds": {
        "post": operation(
            _BOOKING,
            "Hold a time of a variant, or a place in a class's date, for ten minutes",
            {"201": content(ref("booking.seat")), **_TAKEN},
            parameters=[KEY_HEADER],
            body=body(
                {"offering": TEXT, "variant": _ID, "starts_at": MOMENT, "lesson": TEXT},
                optional=frozenset({"variant", "starts_at", "lesson"}),
            ),
        )
    },
    "/api/v1/holds/{code}": {
        "parameters": _CODE,
        "delete": operation(_BOOKING, "Give a hold up", DONE),
    },
    "/api/v1/holds/{code}/order": {
        "parameters": _CODE,
        "post": operation(
            _BOOKING,
            "Say who learns, and order what is held",
            {**ok(ref("booking.order")), **_TAKEN},
            parameters=[KEY_HEADER],
            body=body({"student": _ID}),
        ),
    },
    "/api/v1/lessons": {
        "get": operation(
            _LEARNING,
            "The caller's lessons and their children's",
            ok(ref("booking.lessons")),
            parameters=[query("when", one_of(("coming", "past")), "Else what is to come.")],
        )
    },
    _ITEM: {"parameters": _CODE, "get": operation(_LEARNING, "One lesson", ok(ref("booking.own")))},
    f"{_ITEM}/refund-preview": {
        "parameters": _CODE,
        "get": operation(_LEARNING, "What cancelling gives back now", ok(ref("booking.refund"))),
    },
    f"{_ITEM}/cancel": {
        "parameters": _CODE,
        "post": operation(
            _LEARNING,
            "Cancel a lesson",
            {
                **ok(ref("booking.cancelled")),
                "409": refusal("It can't be cancelled, or gives back something else.", {"refund": _MONEY}),
            },
            parameters=[KEY_HEADER],
            body=body(
                {
                    "reason": or_null({**TEXT, "maxLength": MOST_REASON}),
                    "expected_minor": or_null(
                        {**_MINOR, "description": "It is cancelled only if just this goes back."}
                    ),
                },
                optional=frozenset({"reason", "expected_minor"}),
            ),
        ),
    },
    f"{_ITEM}/move": {
        "parameters": _CODE,
        "post": operation(
            _LEARNING,
            "Move a lesson to another time, or a place to another date of its class",
            {**ok(ref("booking.own")), **_TAKEN},
            parameters=[KEY_HEADER],
            body=body({"starts_at": MOMENT, "lesson": TEXT}, optional=frozenset({"starts_at", "lesson"})),
        ),
    },
    "/api/v1/teaching/lessons": {
        "get": operation(
            _TEACHING, "What the caller teaches", ok(ref("booking.teaching")), parameters=_STRETCH
        )
    },
    "/api/v1/teaching/lessons/{code}/attendance": {
        "parameters": _CODE,
        "post": operation(
            _TEACHING,
            "Say whether somebody came",
            ok(ref("booking.participant")),
            parameters=[KEY_HEADER],
            body=body({"seat": TEXT, "attended": YES_NO}),
        ),
    },
}
