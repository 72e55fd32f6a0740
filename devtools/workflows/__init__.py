"""The example workflows: drawn, and written in both formats."""
