"""A real ComfyUI for tests and demos: started, asked, and seen in a browser."""
