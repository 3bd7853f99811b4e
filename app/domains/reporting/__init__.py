"""Reporting: what the figures of companies and of the platform are, each defined once, and the pages that
show them. Reads the domains below it and writes nothing."""
