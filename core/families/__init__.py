"""What each model family is: shapes, prompts, picture tokens and coordinates."""
