"""`tracetape run`: any program, traced, with no change to its code."""
