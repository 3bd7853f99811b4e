"""A payment service that moves no money: it speaks Stripe's protocol, remembers, and fails on demand.

It is a process of its own, with no part in the application's database, and only the official library
and a payer's browser talk to it. `run` is the process, `Simulator` the same inside another one.
"""

from __future__ import annotations

from app.providers.payments.simulator.server import PortTaken, Simulator, run
from app.providers.payments.simulator.settings import SimulatorSettings
from app.providers.payments.simulator.store import StoreInUse

__all__ = ["PortTaken", "Simulator", "SimulatorSettings", "StoreInUse", "run"]
