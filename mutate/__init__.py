"""How much of what could be wrong the tests would notice: make mutate."""
