"""Credentials: their names, their shapes and known values; one vocabulary for spans and tapes.

Nothing here imports more than the standard library.
"""
