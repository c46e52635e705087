"""The file of a cassette: its model, reading, writing."""
