"""The generated pages of the reference, one kind a file; `docs/generate.py` writes them."""
