"""How a folder of weights was saved: under which names, and quantised by whom."""
