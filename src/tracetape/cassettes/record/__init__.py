"""Recording interactions, and what of them must not reach the file."""
