"""Forms of training, one module per section."""
