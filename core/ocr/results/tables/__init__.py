"""Tables among the lines of a page: by the spaces between their cells, or by rules around them."""
