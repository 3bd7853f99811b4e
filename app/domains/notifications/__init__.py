"""Notifications owns what people are told: the in-app list, mails about bookings and money, calendar
invitations."""
