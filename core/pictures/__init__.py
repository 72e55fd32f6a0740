"""Files of pictures as 8-bit RGB, as a viewer shows them."""
