"""What notifications say, and how calendars know a lesson."""
