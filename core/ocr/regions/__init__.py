"""What can be done with the regions of a page: find, mask, crop, draw, compare."""
