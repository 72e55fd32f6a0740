"""What others measured and published, beside what the product says of the same, for docs/measurements.md."""
