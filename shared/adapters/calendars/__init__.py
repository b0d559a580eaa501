"""Calendars as ICS: the absences that people keep in theirs, and the shifts that they subscribe to."""
