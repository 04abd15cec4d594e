"""Files of weights in foreign formats: read, and checked into a model handed in."""
