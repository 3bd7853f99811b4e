"""Writes of accounts, by noun: people (persons, invitations, memberships, roles), signin, tokens, handover."""
