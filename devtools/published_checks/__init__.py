"""Computes the table of published checks that the advisor ships: core/advisor/published/checks.json."""
