"""What dev.py and the tests share to start and drive a real ComfyUI. Never part of the published pack."""
