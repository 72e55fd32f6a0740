"""The drawn rules of a page: where a table has them, and the page without them."""
