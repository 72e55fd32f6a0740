"""Which shape has a line of text, and where on it do its words stand?"""
