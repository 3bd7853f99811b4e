"""Buyers in a process of their own: from the offering's page to the paid order, as a browser does it.

python -m bench.buyers < {"port": ..., "buyers": [...]}
"""

from __future__ import annotations

import http.client
import json
import re
import statistics
import sys
import threading
import time
from collections import defaultdict
from typing import Any
from urllib.parse import urlencode, urlsplit

CARD = {"number": "4242 4242 4242 4242", "expiry": "12/40", "cvc": "123"}
FORM = "application/x-www-form-urlencoded"
PAY = re.compile(r'action="(/pay/[^"]+)"')
MOST_LOOKS = 50  # at the order, until it is paid


class Problem(Exception):
    """A purchase did not go on."""


class Buyer(threading.Thread):
    """Buys one thing after the other."""

    def __init__(self, plan: dict[str, Any], mine: dict[str, Any]) -> None:
        super().__init__()
        self.plan, self.mine = plan, mine
        self.shop = http.client.HTTPConnection("127.0.0.1", plan["port"], timeout=60)
        self.steps: dict[str, list[float]] = defaultdict(list)
        self.wholes: list[float] = []
        self.problems: list[str] = []

    def run(self) -> None:
        for wanted in self.mine["times"]:
            started = time.perf_counter()
            try:
                self.buy(wanted)
            except (Problem, OSError, http.client.HTTPException) as error:
                self.problems.append(f"{wanted}: {error}")
                self.shop.close()
            else:
                self.wholes.append((time.perf_counter() - started) * 1000)

    def buy(self, wanted: dict[str, str]) -> None:
        """Raises Problem."""
        self.ask("page", "GET", wanted["path"], 200)
        chosen = {"variant": wanted["variant"], "starts_at": wanted["starts_at"]}
        checkout = self.ask("hold", "POST", f"{wanted['path']}/hold", 302, **chosen)[1]
        self.ask("who", "GET", checkout, 200)
        check = self.ask("order", "POST", checkout, 302, student=str(self.mine["person_id"]))[1]
        page, _ = self.ask("check", "GET", check, 200)
        found = PAY.search(page)
        if found is None:
            raise Problem("no button to pay")
        provider = self.ask("pay", "POST", found[1], 302)[1]
        back = self.at_the_provider(provider)
        started = time.perf_counter()
        order = self.ask("look", "GET", back, 302)[1]
        self.ask("look", "GET", order, 200)
        for _ in range(MOST_LOOKS):
            page, _ = self.ask("look", "GET", f"{urlsplit(order).path}/state", 200)
            if json.loads(page)["state"] == "paid":
                break
            time.sleep(0.05)
        else:
            raise Problem(f"{order} is not paid")
        self.steps["paid"].append((time.perf_counter() - started) * 1000)

    def ask(self, step: str, method: str, path: str, expect: int, **values: str) -> tuple[str, str]:
        """The page, and where it leads."""
        headers = {"Host": self.plan["host"], "Cookie": self.mine["cookie"], "Accept": "text/html"}
        body = None
        if method == "POST":
            body, headers["Content-Type"] = urlencode({**values, "csrf_token": self.mine["csrf"]}), FORM
        started = time.perf_counter()
        self.shop.request(method, urlsplit(path)._replace(scheme="", netloc="").geturl(), body, headers)
        answer = self.shop.getresponse()
        page = answer.read().decode()
        self.steps[step].append((time.perf_counter() - started) * 1000)
        if answer.status != expect:
            raise Problem(f"{step} {path} answered {answer.status}")
        return page, answer.headers.get("Location", "")

    def at_the_provider(self, url: str) -> str:
        """Where the simulator sends the payer back to."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection("127.0.0.1", self.plan["simulator"], timeout=60)
        started = time.perf_counter()
        connection.request("POST", f"{parts.path}?{parts.query}", urlencode(CARD), {"Content-Type": FORM})
        answer = connection.getresponse()
        answer.read()
        self.steps["card"].append((time.perf_counter() - started) * 1000)
        if answer.status not in (302, 303):
            raise Problem(f"the provider answered {answer.status}")
        return str(answer.headers["Location"])


def main() -> None:
    plan = json.load(sys.stdin)
    buyers = [Buyer(plan, mine) for mine in plan["buyers"]]
    started = time.perf_counter()
    for buyer in buyers:
        buyer.start()
    for buyer in buyers:
        buyer.join()
    seconds = time.perf_counter() - started
    wholes = sorted(each for buyer in buyers for each in buyer.wholes) or [0.0]
    steps = {name for buyer in buyers for name in buyer.steps}
    answer = {
        "seconds": seconds,
        "paid": sum(len(buyer.wholes) for buyer in buyers),
        "p50": statistics.median(wholes),
        "p95": wholes[int(len(wholes) * 0.95)],
        "steps": {
            name: statistics.median([e for buyer in buyers for e in buyer.steps[name]]) for name in steps
        },
        "problems": [each for buyer in buyers for each in buyer.problems],
    }
    print(json.dumps(answer))  # noqa: T201 - this is its answer


if __name__ == "__main__":
    main()
