"""Model versions: ONNX file, card, golden rows, registry."""
