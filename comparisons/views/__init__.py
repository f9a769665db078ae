"""Pages of comparisons: one module per section, each with its list of URLs."""
