"""One adapter a way of preparing pictures and prompts."""
