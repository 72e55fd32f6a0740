"""What published guides say, beside what is computed."""
