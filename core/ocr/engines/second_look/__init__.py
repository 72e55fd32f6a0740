"""What a line says when it is read a second time, in another way."""
