"""Vision-language models on torch and transformers. At ComfyUI's start nothing of it but
``model_owner``, the list of who keeps one, is imported.
"""
