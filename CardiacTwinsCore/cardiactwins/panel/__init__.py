"""What the panels of the modules share; the only package that imports qt and ctk."""
