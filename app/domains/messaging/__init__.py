"""Messaging owns conversations, their members, messages with their order, and what was delivered and read."""
