"""From what the point releases to what a desk works with: a run, its numbering, and the product store's read side."""
