"""How fast inference serves, beside a plain FastAPI application and ONNX Runtime alone."""
