"""Online predictions: the versions that serve, the predictor, the HTTP server, the request log."""
