"""Writes of accounts, by noun: people (and their invitations and roles), signin, tokens, handover."""
