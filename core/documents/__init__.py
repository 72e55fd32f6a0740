"""Pictures, PDFs and text files: which pages there are, and how texts are saved."""
