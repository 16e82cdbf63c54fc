"""One-file model: an ONNX graph from raw columns to value and decision, for other runtimes.

The registered file takes the float32 matrix of `tasks.models.matrix`. Around it this package puts
the vocabulary of each category before, and the version's own threshold or prices behind. The
registered file and its digest stay the truth; a one-file model is derived from them at any time.
"""
