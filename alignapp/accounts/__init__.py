"""People: the custom user model with its role, and who may see which page."""
