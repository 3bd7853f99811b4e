"""States move by their table and no other way."""

from __future__ import annotations

from typing import ClassVar

import pytest
from flask_babel import lazy_gettext

from app.core.states import MoveNotAllowed, Moves, move_to, reachable


class Order:
    MOVES: ClassVar[Moves] = {
        "open": frozenset({"paid", "call_off"}),
        "paid": frozenset({"refunded"}),
        "call_off": frozenset(),
        "refunded": frozenset(),
        "lost": frozenset({"open"}),
    }
    STATUS_NAMES: ClassVar[dict[str, object]] = {"paid": lazy_gettext("Paid in full")}

    def __init__(self, status: str) -> None:
        self.status = status


def test_every_pair_of_states_moves_exactly_as_the_table_says() -> None:
    for before in Order.MOVES:
        for after in Order.MOVES:
            order = Order(before)
            if after in Order.MOVES[before]:
                move_to(order, after)
                assert order.status == after
            else:
                with pytest.raises(MoveNotAllowed):
                    move_to(order, after)
                assert order.status == before


def test_a_refusal_names_both_states_in_words() -> None:
    with pytest.raises(MoveNotAllowed) as refusal:
        move_to(Order("paid"), "call_off")
    assert str(refusal.value) == "This can't go from “Paid in full” to “call off”."
    assert (refusal.value.code, refusal.value.status) == ("move_not_allowed", 409)
    assert refusal.value.data == {"before": "paid", "after": "call_off"}


def test_a_model_without_words_for_its_states_says_their_names() -> None:
    class Plain:
        MOVES: ClassVar[Moves] = {"in_doubt": frozenset(), "done": frozenset()}
        status = "in_doubt"

    with pytest.raises(MoveNotAllowed) as refusal:
        move_to(Plain(), "done")
    assert str(refusal.value) == "This can't go from “in doubt” to “done”."


def test_a_state_outside_the_table_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="'nowhere'"):
        move_to(Order("open"), "nowhere")
    with pytest.raises(ValueError, match="'nowhere'"):
        move_to(Order("nowhere"), "open")


def test_reachable() -> None:
    assert reachable(Order.MOVES, "open") == {"open", "paid", "call_off", "refunded"}
    assert reachable(Order.MOVES, "refunded") == {"refunded"}
    assert reachable({"a": {"b"}, "b": {"a"}}, "a") == {"a", "b"}
    with pytest.raises(KeyError):
        reachable({"a": {"typo"}}, "a")
