"""Training, ONNX export, model cards and reproduction."""
