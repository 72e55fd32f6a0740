"""What each model family is: shapes, prompts, picture tokens, activations and coordinates."""
