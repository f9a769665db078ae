"""Pages of training: one module per section, each with its list of URLs."""
