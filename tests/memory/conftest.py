"""The checks in inside/ run in a process of their own with ComfyUI's memory manager: never collected here."""

collect_ignore = ["inside"]
