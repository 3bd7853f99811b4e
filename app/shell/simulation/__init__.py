"""Days of a market, lived by chance on the movable clock, with everything failing that can fail.

`run.py simulate` has tutors, students, guardians and managers act at random; payments time out after they
took effect, webhooks come late, twice, in any order or never, processes die half-way. After every day the
rules of `run.py check` must hold, and the books must say what `model` says: money and seats in plain Python
that imports nothing of the house. The same seed gives the same history.
"""
