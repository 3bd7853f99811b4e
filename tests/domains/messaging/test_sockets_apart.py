"""All of `test_sockets` once more, with the sockets in a process of their own, on greenlets: `run.py sockets`.
And what that process is for: thousands of open pages, each of which hears all of its room and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest
from flask import Flask

from tests.domains.messaging import crowd
from tests.domains.messaging.crowd import PAGES_OF_A_ROOM, Page, Room, Told, judge
from tests.domains.messaging.test_sockets import *  # noqa: F403
from tests.support.databases import Clones
from tests.support.servers import LiveServers, live_servers
from tests.support.world import World


@pytest.fixture(scope="module")
def served(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServers]:
    place = tmp_path_factory.mktemp("apart")
    with live_servers(clones.make("apart"), place, names=("sockets",), main="sockets") as running:
        yield running


@pytest.mark.parametrize(
    ("pages", "each"),
    [
        pytest.param(80, 5, id="80-800"),
        # 250 rooms, 20 messages in each, heard by 20 pages: 100,000
        pytest.param(5_000, 10, id="5000-100000", marks=pytest.mark.soak),
    ],
)
def test_all_that_is_written_is_heard_once_and_in_its_room_only(
    here: Flask, served: LiveServers, town: World, pages: int, each: int
) -> None:
    crowd.allow_files(pages + 200)
    rooms = crowd.make_rooms(here, [town.anna, town.bert], pages // PAGES_OF_A_ROOM)
    started = time.monotonic()
    told = crowd.talk(served.port, rooms, each)
    memory = psutil.Process(served.processes[served.main].pid).children()[0].memory_info().rss / 2**20
    print(f"{told} in {time.monotonic() - started:.1f} s; the process has {memory:.0f} MiB")
    assert (told.pages, told.refused) == (pages, 0)
    assert told.sent == len(rooms) * 2 * each
    assert told.heard == told.sent * PAGES_OF_A_ROOM
    assert (told.lost, told.doubled, told.foreign) == (0, 0, 0)
    assert "Traceback" not in served.log(served.main)


def test_the_judge_sees_what_is_lost_doubled_or_foreign() -> None:
    def page(*messages: tuple[int, int, str]) -> Page:
        made = Page({}, "")
        made.messages = list(messages)
        return made

    told = Told()
    right = [(7, 1, "7 0 0"), (7, 2, "7 1 0")]
    room = Room("anna.localhost", 7, [], [page(*right), page(right[0]), page(*right, right[1])])
    room.pages += [page(*right, (8, 1, "8 0 0")), page(right[1], right[0])]
    judge(room, 1, told)
    assert (told.heard, told.lost, told.doubled, told.foreign, told.out_of_order) == (11, 1, 1, 1, 2)
