"""OCR models by name: what is asked for, what will run, and what lives."""
