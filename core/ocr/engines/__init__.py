"""Engines that read on the CPU, and the protocol that every engine follows."""
