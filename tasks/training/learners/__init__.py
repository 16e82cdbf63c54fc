"""Estimators of candidates, by library: construction, fitting, conversion to ONNX."""
