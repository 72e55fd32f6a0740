"""The only folder that imports ComfyUI. Everything the nodes need of it goes through here."""
