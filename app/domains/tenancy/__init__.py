"""Tenancy owns the tenants, their plan, brand, hosts and status. It knows no people and no money."""
