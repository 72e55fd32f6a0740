"""Servers on this machine that behave as others do, well or badly."""
