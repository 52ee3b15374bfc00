"""The parts of `validate`: steps that run inside hospitals, and what is made outside of what they opened."""
