"""Forms of comparisons, one module per section."""
