from typing import Any

class ProgressRegistry:
    prompt_id: str
    dynprompt: Any

def get_progress_state() -> ProgressRegistry: ...
