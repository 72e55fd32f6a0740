"""Vision-language models on torch and transformers. Imported only when such a model is used."""
