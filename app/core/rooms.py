"""Who is in which room, and how what is said there reaches their sockets, of this process and of others."""

from __future__ import annotations

import time
from typing import Any

from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket
from redis import Redis
from redis.exceptions import RedisError
from socketio import Manager, RedisManager
from socketio.packet import EVENT

from app.core import quick_redis
from app.core.wire import WIRE, Wire, frame_of

LISTEN_AGAIN_SECONDS = 1.0


class Rooms(Manager):
    """The rooms of this process. What is said in one is made into bytes once, and written to each socket
    there and then. The library's own way, a queue for each and a thread that wakes for it, costs ten times
    as much; it stays for sockets that do not read at once."""

    def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: Any = None,
        skip_sid: Any = None,
        callback: Any = None,
        to: Any = None,
        **more: Any,
    ) -> None:
        said = self.server.packet_class(EVENT, namespace=namespace, data=[event, data]).encode()
        packet = EnginePacket(MESSAGE, said)
        frame = frame_of(packet.encode())
        for sid, engine_sid in self.get_participants(namespace, to or room):
            if sid != skip_sid:
                self._hand(engine_sid, packet, frame)

    def _hand(self, engine_sid: str, packet: EnginePacket, frame: bytes) -> None:
        """Where something waits for the socket already, this comes after it."""
        engine = self.server.eio
        socket, environ = engine.sockets.get(engine_sid), self.server.environ.get(engine_sid)
        if socket is None or environ is None:
            return
        wire: Wire | None = environ.get(WIRE)
        if wire is None or not socket.queue.empty() or not wire.push(frame):
            engine.send_packet(engine_sid, packet)


class Queue(RedisManager, Rooms):
    """Carries what is said to the sockets of other processes. Where Redis is away they wait for their
    clients to ask; those of this process are told all the same."""

    publisher: Redis | None = None

    def _redis_connect(self) -> None:
        # A publisher must not wait; it knows for all threads that Redis is away. A listener waits for good.
        self.publisher = self.publisher or quick_redis.connect(self.redis_url)
        self.redis = self.publisher
        self.pubsub = quick_redis.connect_patiently(self.redis_url).pubsub(ignore_subscribe_messages=True)
        self.connected = True

    def _publish(self, data: Any) -> Any:
        try:
            if not self.connected:
                self._redis_connect()
            return self.redis.publish(self.channel, self.json.dumps(data))
        except RedisError:
            return None  # a hint; quick_redis says once that Redis is away

    def _redis_listen_with_retries(self) -> Any:
        """As the library's, which waits for up to a minute after Redis is back."""
        while True:
            try:
                self._redis_connect()
                self.pubsub.subscribe(self.channel)
                yield from self.pubsub.listen()
            except (RedisError, OSError, ValueError):  # the last: its connection was closed meanwhile
                time.sleep(LISTEN_AGAIN_SECONDS)
