"""What a page shows beside its lines: pictures set side by side, framed ones, drawings between words."""
