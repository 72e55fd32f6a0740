"""How the small trained weights in this repository were made."""
