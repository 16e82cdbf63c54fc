"""Where things live (settings.py) and what a use case is (use_case.py, one YAML each)."""
