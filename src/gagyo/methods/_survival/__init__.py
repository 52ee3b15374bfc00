"""What the survival methods share: times and events of a study, grids of times, and how a curve is told."""
