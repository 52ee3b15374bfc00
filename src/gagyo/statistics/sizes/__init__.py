"""Power and sample size: one design, one class; `power` of given people, and `people` for a given power."""
