"""A person's own rows beside those that are shipped."""
