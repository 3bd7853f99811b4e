"""Accounts owns people, sign-in and rights: users, persons, memberships, roles, invitations, sessions.

A person takes part in lessons and needs no login; a user only signs in; a membership joins them in a
tenant. It knows no offering, lesson or money.
"""
