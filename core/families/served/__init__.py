"""Families that are read as a CLIP of ComfyUI or by a server, and never from a folder of weights here."""
