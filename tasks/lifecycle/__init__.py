"""End and recovery of use cases: lost champions, retirement."""
