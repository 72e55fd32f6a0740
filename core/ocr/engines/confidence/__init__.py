"""How sure is a reading: of each line, and of a page that may be written by hand?"""
