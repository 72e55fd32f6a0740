"""Which names of ComfyUI and of its frontend the pack uses, and which versions have them."""
