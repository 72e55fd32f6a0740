"""Reading text: engines, routing by language, layout, results."""
